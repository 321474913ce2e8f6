"""Which relays to write to and to read from, and how events get there and back."""
