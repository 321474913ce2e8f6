"""One process: its sub-relays put together, run, and a folder opened beside it by commands."""
