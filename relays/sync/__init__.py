"""Other relays: what is fetched from them, sent to them and mirrored."""
