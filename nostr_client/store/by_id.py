"""Events by nothing but their ids: the commonest question, and the shortest way to its answer."""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import GIFT_WRAP
from nostr_client.store.index_keys import created_at_of, id_of, tie_of
from nostr_client.store.plans import FilterOf

_HELD: Final = " UNION ALL ".join(
    "SELECT e.json AS json FROM json_each(:ties) i CROSS JOIN"  # noqa: S608 - constants
    f" {table} n ON n.tie = i.value CROSS JOIN event e ON e.seq = n.seq"
    " WHERE (e.expires IS NULL OR e.expires > :now) AND e.kind <> :hidden"
    for table in ("new_id", "id")
)
_TEXT: Final = (
    "SELECT (SELECT seq FROM state), EXISTS (SELECT 1 FROM leaving),"  # noqa: S608 - constants
    f" group_concat(json, char(10)) FROM ({_HELD})"
)
_NOTHING_HIDDEN: Final = -1


def fits(f: Filter, limit: int | None) -> bool:
    """Is it ids that `f` asks for, and no more of them than `limit`?"""
    return (
        f.ids is not None
        and (limit is None or len(f.ids) <= limit)
        and not f.tags
        and all(one is None for one in (f.kinds, f.authors, f.since, f.until, f.search))
        and not (isinstance(f, FilterOf) and f.reader)
    )


def read(db: sqlite3.Connection, f: Filter, now: int) -> tuple[int, list[bytes]] | None:
    """The last commit that was seen, and the JSON of what is held, in NIP-01's order.

    `f` must fit. None: somebody is vanishing just now, and a longer way must be taken. Raises
    sqlite3.DataError where it is too large for one answer.
    """
    ids = f.ids or frozenset()
    hidden = GIFT_WRAP if isinstance(f, FilterOf) else _NOTHING_HIDDEN
    asked = {"ties": json.dumps([*{tie_of(id) for id in ids}]), "now": now, "hidden": hidden}
    seq, any_leaves, joined = db.execute(_TEXT, asked).fetchone()
    if any_leaves:
        return None
    # Ids that begin alike have one tie, so that another's event may have come along.
    found = [data for data in (joined or b"").split(b"\n") if data and id_of(data) in ids]
    if len(found) > 1:
        found.sort()  # that is, by id, with which each begins
        found.sort(key=created_at_of, reverse=True)
    return seq, found
