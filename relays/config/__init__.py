"""What a keeper may set, and what it means in words."""
