"""Private messages (NIP-17): rooms, sending, reading back, requests, search; encrypted at rest."""
