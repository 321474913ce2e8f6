"""The command line: one file a noun. The files hold no logic of the engine."""
