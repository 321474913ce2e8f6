"""A Nostr relay: `python -m relays run`."""
