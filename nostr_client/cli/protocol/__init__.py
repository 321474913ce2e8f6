"""Commands of the protocol itself, one file a noun: JSON lines go in, and JSON lines come out."""
