-- One row per namespace: what the reducer has added up, at its latest version. Arrays are samples.

CREATE TABLE IF NOT EXISTS bridge_states (
    bridge_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    namespace VARCHAR(255) NOT NULL UNIQUE,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    total_workflows_processed BIGINT NOT NULL DEFAULT 0,
    total_items_aggregated BIGINT NOT NULL DEFAULT 0,
    total_size_bytes BIGINT NOT NULL DEFAULT 0,
    unique_file_types TEXT[] NOT NULL DEFAULT '{}',
    unique_workflows TEXT[] NOT NULL DEFAULT '{}',
    aggregation_type VARCHAR(50) NOT NULL DEFAULT 'namespace_grouping',
    aggregation_metadata JSONB NOT NULL DEFAULT '{}',
    current_fsm_state VARCHAR(50) NOT NULL DEFAULT 'completed',
    last_aggregation_timestamp TIMESTAMPTZ,
    window_start TIMESTAMPTZ,
    window_end TIMESTAMPTZ,
    aggregation_duration_ms DOUBLE PRECISION,
    items_per_second NUMERIC(12,2),
    configuration JSONB NOT NULL DEFAULT '{}',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE OR REPLACE VIEW bridge_state AS SELECT * FROM bridge_states;
