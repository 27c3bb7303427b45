-- One row per tool, and one per node: `tool_id` is the public text, `tool_<uuid>` or the id of the node. A table that a
-- harness created before, with `tool_id` as a UUID and without the later columns, is taken over; its ids keep their
-- digits. Times have no zone and are UTC.

CREATE TABLE IF NOT EXISTS tool_registrations (
    id SERIAL PRIMARY KEY,
    tool_id TEXT UNIQUE NOT NULL,
    tool_name VARCHAR(255) NOT NULL,
    version VARCHAR(50) NOT NULL,
    service_source VARCHAR(100) NOT NULL,
    category VARCHAR(100) NOT NULL,
    input_schema JSONB NOT NULL,
    output_schema JSONB NOT NULL,
    execution_requirements JSONB DEFAULT '{}',
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

ALTER TABLE tool_registrations
    ADD COLUMN IF NOT EXISTS execution_requirements JSONB,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP,
    ADD COLUMN IF NOT EXISTS node_type VARCHAR(100),
    ADD COLUMN IF NOT EXISTS description TEXT,
    ADD COLUMN IF NOT EXISTS capabilities JSONB DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS tags JSONB DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS metadata JSONB DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS endpoints JSONB DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS deprecated BOOLEAN DEFAULT false,
    ADD COLUMN IF NOT EXISTS revision BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMP,
    ADD COLUMN IF NOT EXISTS deregistered_at TIMESTAMP,
    ALTER COLUMN tool_id DROP DEFAULT,
    ALTER COLUMN tool_id TYPE TEXT,
    ALTER COLUMN tool_name TYPE VARCHAR(255),
    ALTER COLUMN tool_name SET DEFAULT '',
    ALTER COLUMN version SET DEFAULT '0.0.0',
    ALTER COLUMN service_source SET DEFAULT '',
    ALTER COLUMN category SET DEFAULT '',
    ALTER COLUMN input_schema SET DEFAULT '{}',
    ALTER COLUMN output_schema SET DEFAULT '{}',
    ALTER COLUMN execution_requirements SET DEFAULT '{}',
    ALTER COLUMN created_at SET DEFAULT CURRENT_TIMESTAMP;

CREATE UNIQUE INDEX IF NOT EXISTS tool_registrations_tool_id_key ON tool_registrations (tool_id);
CREATE INDEX IF NOT EXISTS tool_registrations_name ON tool_registrations (tool_name);
CREATE INDEX IF NOT EXISTS tool_registrations_category ON tool_registrations (category);
CREATE INDEX IF NOT EXISTS tool_registrations_node_type ON tool_registrations (node_type);
