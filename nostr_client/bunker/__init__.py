"""Bunker mode (NIP-46): this machine signs for other programs, as far as its person lets it"""
