"""A client that is not ours (nostr-sdk) publishes, asks and listens."""

from __future__ import annotations


