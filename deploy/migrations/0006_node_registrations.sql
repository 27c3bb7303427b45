-- One row per node.

CREATE TABLE IF NOT EXISTS node_registrations (
    node_id VARCHAR(255) PRIMARY KEY,
    node_type VARCHAR(100) NOT NULL,
    node_version VARCHAR(50) NOT NULL DEFAULT '1.0.0',
    capabilities JSONB NOT NULL DEFAULT '{}',
    endpoints JSONB NOT NULL DEFAULT '{}',
    metadata JSONB NOT NULL DEFAULT '{}',
    resource_usage JSONB NOT NULL DEFAULT '{}',
    health_status VARCHAR(50) DEFAULT 'unknown',
    health_endpoint VARCHAR(500),
    last_heartbeat TIMESTAMPTZ,
    registered_at TIMESTAMPTZ DEFAULT now(),
    updated_at TIMESTAMPTZ DEFAULT now(),
    deregistered_at TIMESTAMPTZ,
    node_role TEXT,
    network_id TEXT,
    deployment_id TEXT,
    epoch INTEGER,
    uptime_seconds BIGINT DEFAULT 0,
    active_operations BIGINT DEFAULT 0,
    revision BIGINT NOT NULL DEFAULT 0,
    consul_registered BOOLEAN DEFAULT false
);

CREATE INDEX IF NOT EXISTS node_registrations_type ON node_registrations (node_type);
CREATE INDEX IF NOT EXISTS node_registrations_health ON node_registrations (health_status);
CREATE INDEX IF NOT EXISTS node_registrations_heartbeat ON node_registrations (last_heartbeat);
