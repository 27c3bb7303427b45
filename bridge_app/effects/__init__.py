"""The edges: Postgres, Consul, Kafka clients and HTTP targets. Client errors are translated here, once."""
