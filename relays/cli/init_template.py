"""The configuration that `relay init` writes: what a keeper answered, and what else there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

from relays.config.purposes import PURPOSES


class Answers(NamedTuple):
    """What was answered; empty texts for nothing."""

    profile: str
    npub: str
    reach: str
    url: str


_HEAD: Final = """\
# A Nostr relay. What is not set here is as its profile has it; what has a # before it is not set.
# What it means, and what is wrong:  nostr-client relay config check {file}
# Changes are taken over while the relay runs, but for the address it listens on.

profile = {profile}  # for {purpose}
name = {name}
description = {description}
{pubkey}
# contact = "mailto:me@example.com"  # whom to write to, for everybody to see

host = "127.0.0.1"  # other machines do not reach this{why}
port = 7777
{urls}

"""
_PROXY: Final = """\
[web]
trusted_proxies = ["127.0.0.1", "::1"]  # the proxy, whose word on addresses is believed
# trusted_header = "x-forwarded-for"  # the header that it sets; or "forwarded"

"""
_TRUST: Final = """\
[trust]
# The web of trust comes from the follow lists (kind 3) that this relay holds: publish yours here.
# depth = 2  # 1: whom you follow. 2: and whom they follow
# followers = 1  # how many of those whom you follow must follow somebody else

"""
_PARTS: Final = {
    "personal": """\
# Four rooms: / for your notes, /inbox for what mentions you, /chat for private messages,
# /private for yourself. Each has a database and rules of its own.

[access]
# writers = ["npub1..."]  # who may publish in / besides you

# [rooms.inbox.access]
# write = "anyone"  # not only the web of trust

# [rooms.chat.events]
# work = 12  # bits of proof of work that a message must show

"""
    + _TRUST,
    "community": """\
[members]
# read = false  # let everybody read
# invites_by = "members"  # not only admins

[access]
# writers = ["npub1..."]  # who may write without being a member

[moderation.admins]
# ana = "npub1..."  # who manages it besides you, by name

""",
    "public": """\
[events]
# work = 16  # bits of proof of work (NIP-13); each one more doubles the effort
# work_of = "strangers"  # or "everyone"; strangers are those outside of the web of trust
# words = ["buy now"]  # what no event may say
# kinds = [0, 1, 3, 5, 6, 7]  # take these alone
# refused_kinds = [1063]

[events.duplicates]
# by_one = 3  # times that one key may say the same, 0: any number
# by_many = 5  # keys that may say the same, 0: any number

[rates.events]
# address = "240/minute, burst 500"  # or "none"
# key = "60/minute, burst 200"

[moderation.admins]
# ana = "npub1..."  # who manages it besides you, by name

"""
    + _TRUST,
    "archive": """\
# [[mirror]]
# urls = ["wss://relay.example.com"]
# direction = "down"

""",
    "open": """\
[limits]
# content_length = 65536  # characters
# created_at_behind = 31536000  # seconds: how old an event may be when it comes

""",
}
_TAIL: Final = """\
[retention]
# gigabytes = 20  # the most that the database may take; the oldest events go first

[policies]
# plugins = ["./plugin.py"]  # programs that speak strfry's plugin protocol
# python = ["policy.py:check"]  # functions from an IncomingEvent to a Verdict
"""
_WHY: Final = {
    "here": "",
    "proxy": "; the proxy does, and adds TLS",
    "onion": "; Tor does",
}


def template(answers: Answers, file: Path) -> str:
    """The file's text."""
    urls = f"urls = [{_quoted(answers.url)}]" if answers.url else '# urls = ["wss://..."]'
    if answers.npub:
        pubkey = f"pubkey = {_quoted(answers.npub)}  # yours: you may do everything here"
    else:
        pubkey = '# pubkey = "npub1..."  # yours, so that you may do everything here'
    head = _HEAD.format(
        file=file,
        profile=_quoted(answers.profile),
        purpose=PURPOSES[answers.profile],
        name=_quoted("My relay"),
        description=_quoted("A Nostr relay."),
        pubkey=pubkey,
        why=_WHY[answers.reach],
        urls=urls,
    )
    proxy = _PROXY if answers.reach == "proxy" else ""
    return head + proxy + _PARTS[answers.profile] + _TAIL


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    return json.dumps(text, ensure_ascii=False)
