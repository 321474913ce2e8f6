"""The version and the project's address, and nothing else, so that `--version` costs nothing."""

__version__ = "0.1.0"
URL = "https://nostr-client.example/"
