"""Rehearsals: real relays and people on this machine, started and killed to prove the promise."""
