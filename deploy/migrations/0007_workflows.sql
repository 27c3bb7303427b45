-- Workflows: one row per workflow, one per step that ran, one per transition of a state machine. No foreign keys: rows
-- come in any order. Contents are not stored.

CREATE TABLE IF NOT EXISTS workflow_executions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_id TEXT UNIQUE,
    correlation_id TEXT,
    workflow_type VARCHAR(100) NOT NULL DEFAULT 'metadata_stamping',
    current_state VARCHAR(50) NOT NULL DEFAULT 'pending',
    namespace VARCHAR(255) NOT NULL DEFAULT 'omninode.services.metadata',
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    completed_at TIMESTAMPTZ,
    deadline_at TIMESTAMPTZ,
    execution_time_ms DOUBLE PRECISION CHECK (execution_time_ms >= 0),
    error_message TEXT,
    error_code VARCHAR(50),
    stamp_id VARCHAR(255),
    file_hash VARCHAR(64),
    intelligence_data JSONB,
    hash_generation_time_ms DOUBLE PRECISION,
    workflow_steps JSONB NOT NULL DEFAULT '[]',
    workflow_steps_executed INTEGER NOT NULL DEFAULT 0,
    input_data JSONB,
    output_data JSONB,
    metadata JSONB NOT NULL DEFAULT '{}',
    sequence INTEGER NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS workflow_executions_correlation ON workflow_executions (correlation_id);
CREATE INDEX IF NOT EXISTS workflow_executions_state
    ON workflow_executions (namespace, current_state, created_at DESC);
CREATE INDEX IF NOT EXISTS workflow_executions_deadline ON workflow_executions (deadline_at)
    WHERE current_state IN ('pending', 'processing');

CREATE TABLE IF NOT EXISTS workflow_steps (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_id TEXT NOT NULL,
    step_name VARCHAR(100) NOT NULL,
    step_order INTEGER NOT NULL DEFAULT 0 CHECK (step_order >= 0),
    status VARCHAR(50) NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 1,
    execution_time_ms DOUBLE PRECISION,
    step_data JSONB NOT NULL DEFAULT '{}',
    error_message TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS workflow_steps_order ON workflow_steps (workflow_id, step_order);

CREATE TABLE IF NOT EXISTS fsm_transitions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_id TEXT NOT NULL,
    entity_type VARCHAR(100) NOT NULL DEFAULT 'workflow',
    from_state VARCHAR(50),
    to_state VARCHAR(50) NOT NULL,
    transition_event VARCHAR(100),
    transition_data JSONB NOT NULL DEFAULT '{}',
    correlation_id TEXT,
    sequence INTEGER NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS fsm_transitions_entity
    ON fsm_transitions (entity_type, entity_id, sequence DESC, created_at DESC);

CREATE OR REPLACE VIEW fsm_states AS
SELECT DISTINCT ON (entity_type, entity_id) entity_id, entity_type, to_state AS current_state,
    from_state AS previous_state, transition_event, correlation_id, sequence, created_at AS updated_at
FROM fsm_transitions ORDER BY entity_type, entity_id, sequence DESC, created_at DESC;
