"""The version, and nothing else, so that `--version` costs nothing."""

__version__ = "0.1.0"
