-- One row per pattern. A table that a harness created before, without the later columns, is taken over as it is.
-- Times have no zone and are UTC.

CREATE TABLE IF NOT EXISTS intelligence_patterns (
    id SERIAL PRIMARY KEY,
    pattern_id UUID UNIQUE NOT NULL,
    pattern_type VARCHAR(100) NOT NULL,
    confidence_score FLOAT NOT NULL,
    discovery_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    pattern_data JSONB NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

ALTER TABLE intelligence_patterns
    ADD COLUMN IF NOT EXISTS status VARCHAR(20) NOT NULL DEFAULT 'active',
    ADD COLUMN IF NOT EXISTS revision INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS last_seen TIMESTAMP,
    ADD COLUMN IF NOT EXISTS environment VARCHAR(100),
    ALTER COLUMN discovery_time SET DEFAULT CURRENT_TIMESTAMP,
    ALTER COLUMN created_at SET DEFAULT CURRENT_TIMESTAMP;

CREATE UNIQUE INDEX IF NOT EXISTS intelligence_patterns_pattern_id_key ON intelligence_patterns (pattern_id);
CREATE INDEX IF NOT EXISTS intelligence_patterns_type ON intelligence_patterns (pattern_type, last_seen);
CREATE INDEX IF NOT EXISTS intelligence_patterns_data ON intelligence_patterns USING gin (pattern_data);
