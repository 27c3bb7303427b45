-- One row per namespace and hash; the first stamp stays.

CREATE TABLE IF NOT EXISTS metadata_stamps (
    stamp_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    namespace VARCHAR(255) NOT NULL DEFAULT 'omninode.services.metadata',
    file_hash VARCHAR(64) NOT NULL CHECK (length(file_hash) = 64),
    file_path TEXT NOT NULL DEFAULT '',
    file_size BIGINT NOT NULL DEFAULT 0 CHECK (file_size >= 0),
    content_type VARCHAR(255),
    stamp_type VARCHAR(20) NOT NULL DEFAULT 'lightweight',
    stamp TEXT,
    source VARCHAR(32) NOT NULL DEFAULT 'local',
    stamp_data JSONB NOT NULL DEFAULT '{}',
    metadata JSONB NOT NULL DEFAULT '{}',
    intelligence_data JSONB NOT NULL DEFAULT '{}',
    op_id TEXT NOT NULL DEFAULT gen_random_uuid()::text,
    version INTEGER NOT NULL DEFAULT 1,
    metadata_version VARCHAR(10) NOT NULL DEFAULT '0.1',
    protocol_version VARCHAR(10) NOT NULL DEFAULT '1.0',
    workflow_id TEXT,
    correlation_id TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (namespace, file_hash)
);

CREATE INDEX IF NOT EXISTS metadata_stamps_hash ON metadata_stamps (file_hash, created_at);
CREATE INDEX IF NOT EXISTS metadata_stamps_page ON metadata_stamps (namespace, created_at DESC, stamp_id);
