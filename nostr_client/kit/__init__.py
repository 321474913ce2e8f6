"""The account kit: one encrypted file that holds all of an account, and how it comes back."""
