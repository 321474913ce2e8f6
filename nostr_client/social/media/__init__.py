"""Pictures and other files: uploaded, found by their hash, and kept at home."""
