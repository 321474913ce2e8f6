"""Our client on relays that are not ours, and clients that are not ours on our relay: one matrix.

`make interop` (`python -m tests.interop`) has the peers from their registries at pinned versions,
plays the same scenes with each, and writes docs/interop.md.
"""
