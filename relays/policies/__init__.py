"""What the relay takes and what it answers: plain callables, each with one reason to say no."""
