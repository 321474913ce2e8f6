"""Sessions, ingest, queries, live delivery and negentropy: the relay itself."""
