"""The state of each domain: one module declares its tables, keyed by the Kafka key of their source topics."""
