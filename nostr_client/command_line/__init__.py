"""The command line of both faces, the client's and the relay's: one parser, help and ending."""
