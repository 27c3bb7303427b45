"""The publisher while Kafka is away."""
