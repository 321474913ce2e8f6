"""The network: sessions, connections and the pool of relays that owns them."""
