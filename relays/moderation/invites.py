"""Invites: codes that make a member of whoever knows one. Only their hashes are kept."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Final

from nostr_client.errors import InvalidData
from relays.moderation.records import Invite, RecordTables, invite_id

MOST_OPEN: Final = 50
"""Invites of one maker that may be open; with a further one, his oldest is no longer good."""
MOST_USES: Final = 100_000
MOST_SECONDS: Final = 100 * 365 * 86_400.0
LONGEST_CODE: Final = 200
_DAY: Final = 86400


async def make(
    tables: RecordTables, *, by: str, now: int, seconds: float, uses: int = 1, role: str = ""
) -> str:
    """A new code, which is shown this once. Raises InvalidData."""
    if not 1 <= uses <= MOST_USES:
        raise InvalidData(f"an invite is good for 1 to {MOST_USES} people")
    if not 1 <= seconds <= MOST_SECONDS:
        raise InvalidData("an invite holds for a second at least, and a hundred years at most")
    if role and await tables.roles.get(role) is None:
        raise InvalidData("there is no role of this id")
    await tables.invites.clean(now - _DAY)
    await tables.invites.trim(by, MOST_OPEN - 1)
    code = secrets.token_hex(16)
    hash = _hash(code)
    invite = Invite(invite_id(hash), uses, 0, now + int(seconds), role, by, now)
    await tables.invites.add(hash, invite)
    return code


async def use(tables: RecordTables, code: str, now: int) -> Invite | str:
    """Take one use of a code; or why it is not good."""
    # 16 random bytes cannot be guessed, so neither does a plain hash give them away.
    hash = _hash(code)
    invite = await tables.invites.get(hash)
    if invite is None:
        return "that is an invalid invite code"
    if invite.expires < now:
        return "that invite code is expired"
    if invite.used >= invite.uses:
        return "that invite code is used up"
    await tables.invites.use(hash)
    return invite


def _hash(code: str) -> bytes:
    return sha256(code[:LONGEST_CODE].encode(errors="replace")).digest()
