"""The default engine: one SQLite file, one writer, several readers."""
