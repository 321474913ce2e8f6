"""Formats that several rooms share, one file a NIP: all pure."""
