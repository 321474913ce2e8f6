"""Plain HTTP on the relay's port: NIP-11, NIP-86, pages, health and figures."""
