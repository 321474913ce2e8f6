"""Relay nodes on one PostgreSQL, as real processes, and what dies or hangs among them."""
