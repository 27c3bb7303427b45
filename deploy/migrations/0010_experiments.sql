-- Experiments and what became of them, from their events. No foreign keys: rows come in any order.

CREATE TABLE IF NOT EXISTS experiments (
    id UUID PRIMARY KEY,
    tenant_id TEXT NOT NULL DEFAULT 'default',
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'pending',
    baseline_pipeline TEXT NOT NULL,
    candidate_pipeline TEXT NOT NULL,
    target_nodes JSONB NOT NULL DEFAULT '[]',
    labels JSONB NOT NULL DEFAULT '{}',
    config JSONB NOT NULL DEFAULT '{}',
    record JSONB NOT NULL DEFAULT '{}',
    recommendation TEXT,
    created_by TEXT,
    version BIGINT NOT NULL DEFAULT 1,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    started_at TIMESTAMPTZ,
    ends_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ
);

CREATE INDEX IF NOT EXISTS experiments_page ON experiments (tenant_id, created_at DESC, id);
CREATE INDEX IF NOT EXISTS experiments_state ON experiments (tenant_id, state);

CREATE TABLE IF NOT EXISTS experiment_transitions (
    experiment_id UUID NOT NULL,
    version BIGINT NOT NULL DEFAULT 1,
    from_state TEXT,
    to_state TEXT NOT NULL,
    reason TEXT,
    actor TEXT,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (experiment_id, version)
);

CREATE TABLE IF NOT EXISTS experiment_configs (
    experiment_id UUID NOT NULL,
    variant TEXT NOT NULL,
    config_version INTEGER NOT NULL,
    pipeline TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    yaml TEXT NOT NULL,
    origin TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (experiment_id, variant, config_version)
);

CREATE TABLE IF NOT EXISTS experiment_deployments (
    experiment_id UUID NOT NULL,
    variant TEXT NOT NULL,
    status TEXT NOT NULL,
    desired_version INTEGER NOT NULL,
    applied_version INTEGER,
    reload_state TEXT NOT NULL,
    nodes JSONB NOT NULL DEFAULT '[]',
    version BIGINT NOT NULL DEFAULT 1,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (experiment_id, variant)
);

CREATE TABLE IF NOT EXISTS experiment_load_simulations (
    id TEXT PRIMARY KEY,
    experiment_id UUID NOT NULL,
    origin TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    params JSONB NOT NULL DEFAULT '{}',
    started_at TIMESTAMPTZ,
    stopped_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1
);

CREATE TABLE IF NOT EXISTS experiment_intervals (
    experiment_id UUID NOT NULL,
    variant TEXT NOT NULL,
    config_version INTEGER NOT NULL,
    interval_start TIMESTAMPTZ NOT NULL,
    interval_ms BIGINT NOT NULL,
    out_series BIGINT NOT NULL,
    cells BIGINT NOT NULL,
    input_series BIGINT,
    points BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    latency_p50 DOUBLE PRECISION,
    latency_p95 DOUBLE PRECISION,
    latency_p99 DOUBLE PRECISION,
    critical_seen BIGINT NOT NULL,
    critical_total BIGINT NOT NULL,
    PRIMARY KEY (experiment_id, variant, config_version, interval_start)
);

CREATE TABLE IF NOT EXISTS experiment_results (
    experiment_id UUID NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('interim', 'final')),
    number INTEGER NOT NULL,
    recommendation TEXT,
    result JSONB NOT NULL DEFAULT '{}',
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (experiment_id, kind, number)
);
