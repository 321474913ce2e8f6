"""The terminal client: screens over the store. Textual is imported below here and nowhere else."""
