"""What docs/measured.md claims, measured. `make bench` runs all of it."""
