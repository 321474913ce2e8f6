"""The relay's command line, one file a noun."""
