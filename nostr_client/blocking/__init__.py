"""The same names without async, for plain scripts and notebooks:

    from nostr_client.blocking import NostrClient, SecretKey

    with NostrClient.open(SecretKey.generate(), relays=["wss://relay.example"]) as client:
        posted = client.post("hi")
        for event in client.feed():
            print(event.content)

All of it is made from `nostr_client`, and runs on a thread of its own. What was async is waited
for here: Ctrl-C ends it, closing is bounded in time. Callbacks are called on that thread.

In a notebook, where a block cannot span cells: `opened = NostrClient.open(...)`, then
`client = opened.start()`, and at the end `opened.close()`.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

from nostr_client.blocking.faces import OpenedBy as OpenedBy
from nostr_client.blocking.faces import is_asynchronous, opens, plain_class, plain_function

_public: Any = sys.modules[__name__.rpartition(".")[0]]
"""The package itself: this room stands above all others, and shows what that offers."""
__all__ = [*_public.__all__, "OpenedBy"]  # noqa: PLE0604 - strings, there


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_public, name)
    if inspect.isclass(value):
        value = plain_class(value) if is_asynchronous(value) else value
    elif inspect.iscoroutinefunction(value) or opens(value):
        value = plain_function(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
