"""What the README claims, measured. `make bench` runs all of it."""
