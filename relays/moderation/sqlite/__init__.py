"""The keeper's records in SQLite: `keeper.db`, and `relay.key` beside it."""
