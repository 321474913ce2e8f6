"""People, notes, timelines and threads: what an account does, one file a noun."""
