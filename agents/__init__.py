"""Who reads what: one module per domain joins topics, table and pure step, and nothing more."""
