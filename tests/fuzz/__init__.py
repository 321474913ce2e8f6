"""Fuzz of the relay, for as long as one likes: `make fuzz`, or `python -m tests.fuzz --help`.

Three kinds, each in rounds that a seed and a number give again:

- `queries`: random events and questions; every answer against a naive matcher.
- `live`: subscriptions that come and go while events stream in; each exactly once.
- `frames`: damaged bytes on raw sockets; the relay lives, logs nothing, stays small, serves others.
"""
