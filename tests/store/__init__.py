"""The contract of the store, and what SQLite is asked to survive."""
