"""Shared formats, all pure: each NIP that needs code of its own has a file here."""
