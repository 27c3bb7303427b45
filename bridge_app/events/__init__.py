"""The envelope and the typed payloads of every domain."""
