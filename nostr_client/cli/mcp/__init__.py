"""`nostr-client mcp`: what programs that speak the Model Context Protocol may read and write here.

`command` is the command, `permissions` what the person allowed, `session` one run of it; the tools
are in `public_tools`, `private_tools` and `writing_tools`, and `server` puts them together. Only
these last import the package `mcp`, which is an extra.
"""
