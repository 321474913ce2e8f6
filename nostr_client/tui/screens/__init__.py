"""The screens. Each reads the store through the client that it is handed, never a socket."""
