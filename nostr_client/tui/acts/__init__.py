"""What a key does on a note, a person: one file a family of acts."""
