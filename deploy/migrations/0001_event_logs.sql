-- One row per event that went over a public topic. Everything but event_type and payload has a default, so that a
-- minimal INSERT by another program works. Every statement may run again, and takes a table that is already there.

CREATE TABLE IF NOT EXISTS event_logs (
    event_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id UUID NOT NULL DEFAULT gen_random_uuid(),
    correlation_id TEXT,
    causation_id UUID,
    event_type TEXT NOT NULL,
    topic TEXT NOT NULL DEFAULT '',
    "partition" INTEGER,
    "offset" BIGINT,
    event_key TEXT,
    timestamp TIMESTAMPTZ NOT NULL DEFAULT now(),
    kafka_timestamp TIMESTAMPTZ,
    stored_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    status TEXT NOT NULL DEFAULT 'completed',
    processing_time_ms INTEGER CHECK (processing_time_ms >= 0),
    payload JSONB NOT NULL,
    metadata JSONB NOT NULL DEFAULT '{}'
);

CREATE INDEX IF NOT EXISTS event_logs_correlation ON event_logs (correlation_id, timestamp);
CREATE INDEX IF NOT EXISTS event_logs_type ON event_logs (event_type, timestamp);
CREATE INDEX IF NOT EXISTS event_logs_key ON event_logs (topic, event_key, timestamp);
CREATE INDEX IF NOT EXISTS event_logs_causation ON event_logs (causation_id);
CREATE INDEX IF NOT EXISTS event_logs_stored ON event_logs USING brin (stored_at);
