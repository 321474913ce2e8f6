"""`nostr-client app`: releases of this program, taken, checked, carried, shared and made."""
