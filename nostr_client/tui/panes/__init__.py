"""The sections of the main screen, one file each."""
