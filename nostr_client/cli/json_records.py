"""What `--json` prints: the record of a note, an account, a person, a relay.

The keys are a promise to scripts: more may come, none goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nostr_client.nips import nip19
from nostr_client.protocol.kinds import NOTE

if TYPE_CHECKING:
    from nostr_client.accounts.account import Account
    from nostr_client.net.relay_check import CheckStep
    from nostr_client.social.notification_views import Notification
    from nostr_client.social.relay_portraits import RelayPortrait
    from nostr_client.social.views import NoteView, Posted, Profile, RelayRow
    from nostr_client.store.contract import Copy


def note_record(note: NoteView) -> dict[str, Any]:
    """A note that is read: the event itself, as it was signed."""
    import msgspec

    record: dict[str, Any] = msgspec.json.decode(note.entry.json)
    return record


def notification_record(row: Notification, *, stranger: bool, new: bool) -> dict[str, Any]:
    """A row of the notifications; `people` are pubkeys, amounts in millisatoshi."""
    return {
        "sort": row.sort.value,
        "at": row.at,
        "people": list(row.people),
        "count": row.count,
        "target": row.target_id,
        "event": row.event.id if row.event else "",
        "content": row.event.content if row.event and row.sort.is_said else "",
        "reactions": list(row.marks),
        "zapped": row.zapped._asdict(),
        "stranger": stranger,
        "new": new,
    }


def account_record(account: Account) -> dict[str, Any]:
    return {
        "npub": account.npub,
        "pubkey": account.pubkey,
        "name": account.name,
        "protection": str(account.protection),
        "current": account.current,
        "backed_up": account.backed_up,
    }


def waiting_record(copy: Copy) -> dict[str, Any]:
    """A copy that a relay does not have yet, and its words."""
    return {"id": copy.event_id, "relay": copy.url, "prefix": copy.prefix, "reason": copy.reason}


def profile_record(profile: Profile) -> dict[str, Any]:
    return {
        "npub": profile.npub,
        "pubkey": profile.pubkey,
        "name": profile.name,
        "display_name": profile.display_name,
        "about": profile.about,
        "picture": profile.picture,
        "banner": profile.banner,
        "website": profile.website,
        "lud16": profile.lud16,
        "bot": profile.bot,
        "nip05": profile.nip05,
        "nip05_state": profile.nip05_state,
        "petname": profile.petname,
        "known": profile.event is not None,
        "raw": not_understood(profile),
    }


def posted_record(posted: Posted, own: str) -> dict[str, Any]:
    """What became of an event, relay by relay; `own` is the own relay's URL or empty."""
    report, event = posted.report, posted.event
    accepted = [url for url in report.accepted if url != own]
    return {
        "id": posted.id,
        "note": nip19.encode_note(posted.id) if event.kind == NOTE else None,
        "nevent": nip19.encode_nevent(posted.id, accepted[:3], event.pubkey, event.kind),
        "kind": event.kind,
        "pubkey": event.pubkey,
        "created_at": event.created_at,
        "accepted": accepted,
        "refused": [
            {"relay": a.url, "prefix": a.prefix, "reason": a.reason, "problem": a.problem}
            for a in report.refused
        ],
        "unanswered": [{"relay": a.url, "problem": a.problem} for a in report.unanswered],
        "instead": list(report.instead),
        "left_out": [
            {"pubkey": pubkey, "reason": why.value} for pubkey, why in report.left_out.items()
        ],
        "own_relay": own in report.accepted,
        "overtaken": report.overtaken,
    }


def relay_record(row: RelayRow) -> dict[str, Any]:
    return {
        "relay": row.url,
        "read": row.read,
        "write": row.write,
        "own": row.own,
        "fallback": row.fallback,
        "state": row.state,
        "latency": row.latency,
        "last_word": row.last_word,
        "gone": row.gone,
    }


def portrait_record(relay: RelayPortrait) -> dict[str, Any]:
    """All that is known of a relay; its own words raw."""
    import msgspec

    return {"relay": relay.url, "share": relay.share, **msgspec.to_builtins(relay)}


def step_record(url: str, step: CheckStep) -> dict[str, Any]:
    return {
        "relay": url,
        "step": step.name,
        "ok": step.ok,
        "detail": step.detail,
        "seconds": round(step.seconds, 4),
    }


def not_understood(profile: Profile) -> str:
    """The content of a profile that is no JSON object with each field once; else empty."""
    from nostr_client.social.profiles import raw_fields

    content = profile.event.content if profile.event else ""
    return content if raw_fields(content) is None else ""
