"""Events by nothing but their ids: the commonest question, and the shortest way to its answer."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from nostr_client.protocol.filters import Filter
from nostr_client.store.index_keys import created_at_of, id_key, id_of
from nostr_client.store.visibility import FilterOf


def _text(source: str, tie: str) -> str:
    held = " UNION ALL ".join(
        f"SELECT e.json AS json FROM {source}{table} n CROSS JOIN event e ON e.seq = n.seq"  # noqa: S608
        f" WHERE n.tie = {tie} AND (e.expires IS NULL OR e.expires > :now)"
        " AND e.kind NOT IN (SELECT value FROM json_each(:hidden))"
        for table in ("new_id", "id")
    )
    return (
        "SELECT (SELECT seq FROM state), EXISTS (SELECT 1 FROM leaving),"  # noqa: S608
        f" group_concat(json, char(10)) FROM ({held})"
    )


_OF_ONE: Final = _text("", ":ties")
_OF_MANY: Final = _text("json_each(:ties) i CROSS JOIN ", "i.value")


def read(db: sqlite3.Connection, f: Filter, now: int) -> tuple[int, list[bytes]] | None:
    """The last commit that was seen, and the JSON of what is held, in NIP-01's order.

    `f` must fit. None: somebody is vanishing just now, and a longer way must be taken. Raises
    sqlite3.DataError where it is too large for one answer.
    """
    ids = f.ids or frozenset()
    hidden = json.dumps([*f.hidden]) if isinstance(f, FilterOf) else "[]"
    asked: dict[str, Any] = {"now": now, "hidden": hidden}
    if len(ids) == 1:
        text, [asked["ties"]] = _OF_ONE, map(id_key, ids)
    else:
        text, asked["ties"] = _OF_MANY, json.dumps([*{id_key(id) for id in ids}])
    seq, any_leaves, joined = db.execute(text, asked).fetchone()
    if any_leaves:
        return None
    # Ids that begin alike have one tie, so that another's event may have come along.
    found = [data for data in (joined or b"").split(b"\n") if data and id_of(data) in ids]
    if len(found) > 1:
        found.sort()  # that is, by id, with which each begins
        found.sort(key=created_at_of, reverse=True)
    return seq, found
