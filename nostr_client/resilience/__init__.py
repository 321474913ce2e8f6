"""What keeps notes alive: copies on many relays, and a relay of one's own."""
