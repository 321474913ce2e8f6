"""The keeper's records in PostgreSQL, in a schema of their own: one truth for all nodes."""
