-- One row per dead letter, and what became of it.

CREATE TABLE IF NOT EXISTS dead_letters (
    event_id UUID PRIMARY KEY,
    dlq_topic TEXT NOT NULL,
    dlq_partition INTEGER NOT NULL,
    dlq_offset BIGINT NOT NULL,
    original_topic TEXT NOT NULL,
    original_partition INTEGER NOT NULL,
    original_offset BIGINT NOT NULL,
    original_timestamp TIMESTAMPTZ,
    original_key TEXT,
    error_type TEXT NOT NULL,
    error_message TEXT,
    agent TEXT,
    failed_at TIMESTAMPTZ NOT NULL,
    letter JSONB NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    replays INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    resolved_by TEXT,
    resolved_at TIMESTAMPTZ,
    UNIQUE (dlq_topic, dlq_partition, dlq_offset)
);

CREATE INDEX IF NOT EXISTS dead_letters_topic ON dead_letters (original_topic, status, failed_at DESC);
