"""The relay and its peers: comparing, fetching, sending."""
