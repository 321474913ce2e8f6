"""A long name is meant by its beginning, as long as no other begins so."""

from __future__ import annotations

from collections.abc import Iterable

from nostr_client.exits import CommandError, Exit


def named(beginning: str, names: Iterable[str], what: str) -> str:
    """The one of `names` that is, or begins with, `beginning`. Raises CommandError."""
    found = list(names)
    if beginning in found:
        return beginning
    fitting = [name for name in found if beginning and name.startswith(beginning)]
    if not fitting:
        raise CommandError(f"there is no such {what} here", Exit.NOT_FOUND)
    if len(fitting) > 1:
        raise CommandError(f"{len(fitting)} begin so: say more of the {what}'s name", Exit.USAGE)
    return fitting[0]
