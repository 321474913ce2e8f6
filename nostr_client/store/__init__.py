"""Where events are kept, and what is known about their copies elsewhere."""
