"""One account at work: the front door of the library, and the building of all rooms below."""

from nostr_client.client.client import NostrClient as NostrClient
