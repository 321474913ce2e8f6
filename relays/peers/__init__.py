"""Other relays: what we tell them of our set, and what we fetch from them and send to them."""
