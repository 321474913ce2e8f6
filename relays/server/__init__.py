"""Sockets: listening, TLS, connections, and the word to a supervisor."""
