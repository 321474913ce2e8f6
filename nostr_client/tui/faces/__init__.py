"""How the events of each kind look in a list, and what they are called: one file a family."""
