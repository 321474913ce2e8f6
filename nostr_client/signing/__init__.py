"""Who signs, and who checks signatures."""
