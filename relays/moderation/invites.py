"""Invites: codes that make a member of whoever knows one. Only their hashes are kept."""

from __future__ import annotations

import secrets
import sqlite3
from hashlib import sha256
from typing import Final

import msgspec

from nostr_client.errors import InvalidData

MOST_OPEN: Final = 50
"""Invites of one maker that may be open; with a further one, his oldest is no longer good."""
MOST_USES: Final = 100_000
LONGEST_CODE: Final = 200
_SHOWN: Final = 8
"""Hex digits of the hash by which an invite is called."""


class Invite(msgspec.Struct, frozen=True):
    """One invite, without its code; times in seconds."""

    id: str
    uses: int
    used: int
    expires: int
    role: str
    by: str
    at: int


def make(
    db: sqlite3.Connection, *, by: str, now: int, seconds: float, uses: int = 1, role: str = ""
) -> str:
    """A new code, which is shown this once. Raises InvalidData."""
    if not 1 <= uses <= MOST_USES:
        raise InvalidData(f"an invite is good for 1 to {MOST_USES} people")
    if seconds < 1:
        raise InvalidData("an invite holds for a second at least")
    if role and not db.execute("SELECT 1 FROM role WHERE id = ?", (role,)).fetchone():
        raise InvalidData("there is no role of this id")
    db.execute("DELETE FROM invite WHERE expires < ? OR used >= uses", (now - 86400,))
    db.execute(
        "DELETE FROM invite WHERE hash IN (SELECT hash FROM invite WHERE by = ?"
        " ORDER BY at DESC LIMIT -1 OFFSET ?)",
        (by, MOST_OPEN - 1),
    )
    code = secrets.token_hex(16)
    db.execute(
        "INSERT INTO invite VALUES (?, ?, 0, ?, ?, ?, ?)",
        (_hash(code), uses, now + int(seconds), role, by, now),
    )
    return code


def use(db: sqlite3.Connection, code: str, now: int) -> Invite | str:
    """Take one use of a code; or why it is not good."""
    # 16 random bytes cannot be guessed, so neither does a plain hash give them away.
    row = db.execute(
        "SELECT hash, uses, used, expires, role, by, at FROM invite WHERE hash = ?", (_hash(code),)
    ).fetchone()
    if row is None:
        return "that is an invalid invite code"
    invite = Invite(row[0].hex()[:_SHOWN], *row[1:])
    if invite.expires < now:
        return "that invite code is expired"
    if invite.used >= invite.uses:
        return "that invite code is used up"
    db.execute("UPDATE invite SET used = used + 1 WHERE hash = ?", (row[0],))
    return invite


def revoke(db: sqlite3.Connection, id: str) -> int:
    """Take back the invite called `id`; how many went."""
    found = db.execute("DELETE FROM invite WHERE lower(substr(hex(hash), 1, 8)) = ?", (id.lower(),))
    return found.rowcount


def open_invites(db: sqlite3.Connection, now: int) -> list[Invite]:
    """Those that are good still, newest first."""
    rows = db.execute(
        "SELECT hash, uses, used, expires, role, by, at FROM invite"
        " WHERE expires >= ? AND used < uses ORDER BY at DESC",
        (now,),
    )
    return [Invite(row[0].hex()[:_SHOWN], *row[1:]) for row in rows]


def _hash(code: str) -> bytes:
    return sha256(code[:LONGEST_CODE].encode(errors="replace")).digest()
