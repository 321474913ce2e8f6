"""What keeps notes alive: copies on many relays, and a relay of one's own.

What waits for a relay stands in the store's ledger; `replication` is the loop that sends it.
"""
