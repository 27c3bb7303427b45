-- One row per instance of a service. A table that a harness created before, without the later columns, is taken over.
-- Times have no zone and are UTC.

CREATE TABLE IF NOT EXISTS service_registrations (
    id SERIAL PRIMARY KEY,
    service_name VARCHAR(100) NOT NULL,
    instance_id VARCHAR(200) UNIQUE NOT NULL,
    version VARCHAR(50) NOT NULL,
    host VARCHAR(255) NOT NULL,
    port INTEGER NOT NULL,
    capabilities JSONB DEFAULT '[]',
    metadata JSONB DEFAULT '{}',
    health_status VARCHAR(20) DEFAULT 'unknown',
    last_heartbeat TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

ALTER TABLE service_registrations
    ADD COLUMN IF NOT EXISTS capabilities JSONB,
    ADD COLUMN IF NOT EXISTS metadata JSONB,
    ADD COLUMN IF NOT EXISTS health_status VARCHAR(20),
    ADD COLUMN IF NOT EXISTS last_heartbeat TIMESTAMP,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP,
    ADD COLUMN IF NOT EXISTS tags JSONB DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS registration_id TEXT,
    ADD COLUMN IF NOT EXISTS health_check_url TEXT,
    ADD COLUMN IF NOT EXISTS registered_by TEXT,
    ADD COLUMN IF NOT EXISTS ttl_seconds INTEGER DEFAULT 60,
    ADD COLUMN IF NOT EXISTS load_factor DOUBLE PRECISION,
    ADD COLUMN IF NOT EXISTS revision BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS registered_at TIMESTAMP,
    ADD COLUMN IF NOT EXISTS expires_at TIMESTAMP,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMP,
    ADD COLUMN IF NOT EXISTS deregistered_at TIMESTAMP,
    ALTER COLUMN capabilities SET DEFAULT '[]',
    ALTER COLUMN metadata SET DEFAULT '{}',
    ALTER COLUMN health_status SET DEFAULT 'unknown',
    ALTER COLUMN last_heartbeat SET DEFAULT CURRENT_TIMESTAMP,
    ALTER COLUMN created_at SET DEFAULT CURRENT_TIMESTAMP;

CREATE UNIQUE INDEX IF NOT EXISTS service_registrations_instance_id_key ON service_registrations (instance_id);
CREATE UNIQUE INDEX IF NOT EXISTS service_registrations_registration_id_key
    ON service_registrations (registration_id);
CREATE INDEX IF NOT EXISTS service_registrations_name ON service_registrations (service_name);
CREATE INDEX IF NOT EXISTS service_registrations_expiry ON service_registrations (expires_at);
