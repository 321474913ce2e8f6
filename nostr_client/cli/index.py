"""The index of the client's commands: the file of each, its name, and its help in one line.

With it the tree is built, its help shown and a misspelled name answered without loading a command;
the one that is named is loaded. A test holds it to what the files say of themselves.
"""

from __future__ import annotations

from typing import Final

INDEX: Final[dict[str, dict[str, str]]] = {
    "account": {
        "account": "Accounts: make, bring, list, choose, back up.",
    },
    "backup": {
        "backup": "Put all of an account into one encrypted file: key, notes, lists, messages.",
        "restore": "Bring an account back out of such a file, beside whatever is here.",
    },
    "notes": {
        "post": "Write a note, to go out now or at a time.",
        "reply": "Answer a note.",
        "react": "React to a note.",
        "repost": "Pass a note on.",
        "delete": "Ask every relay to delete a note of yours.",
        "send": "Send what waits now, instead of when it would be tried again.",
    },
    "drafts": {
        "drafts": "What you began to write here and did not send.",
    },
    "scheduling": {
        "schedule": "Notes that go out at a time.",
    },
    "dm": {
        "dm": "Private messages: write, read, wait for them.",
    },
    "feed": {
        "feed": "Read the home timeline, oldest first; with --json each line is the event itself.",
        "notifications": (
            "What people said to you, and did with what you wrote, oldest first; strangers are"
            " marked."
        ),
        "thread": "Read a conversation; with --json each line is the event itself.",
    },
    "plain": {
        "plain": "Read and write line by line, for screen readers and pipes: h lists its commands.",
    },
    "search": {
        "search": "Find people, hashtags and notes; relays that search (NIP-50) are asked, too.",
    },
    "people": {
        "profile": "Profiles: `profile [WHO]` shows one, `profile set` yours.",
        "follow": "Follow somebody, or several at once.",
        "unfollow": "Stop following somebody.",
        "follows": "List whom you follow.",
    },
    "private_lists": {
        "mute": "Your mute list (NIP-51): what feeds leave out.",
        "bookmark": "What you keep for later.",
        "private-relay": "Where you keep what only you can read (NIP-37).",
        "search-relay": "Relays that search for you (NIP-50).",
    },
    "blossom": {
        "blossom": "Your pictures and files on media servers (Blossom, NIP-B7).",
    },
    "lists": {
        "lists": "Earlier versions of your lists: versions, show, diff, undo, merge.",
    },
    "relays": {
        "relays": (
            "Relays, yours and others: list, show, add, remove, retire, info, check, watch, find..."
        ),
    },
    "copies": {
        "copies": (
            "Where a note of yours is, relay by relay, or all that you wrote; no relay is asked."
        ),
    },
    "evacuate": {
        "evacuate": (
            "Replace relays of yours that are dead or refuse you, and refill the new ones from"
            " here."
        ),
    },
    "history": {
        "history": "What you wrote, on relays and here: fetch, status, compare, import.",
    },
    "keep": {
        "keep": "A copy of other people's events, who keep one of yours.",
    },
    "audit": {
        "audit": (
            "Ask relays, as a stranger, whether they hold somebody's notes back; nothing is"
            " published."
        ),
    },
    "why": {
        "why": "Why a note is here, from which relays, or what a relay is for; no relay is asked.",
    },
    "own_relay": {
        "own-relay": "The relay of your own, which keeps your notes at home: status, start, stop.",
    },
    "bunker": {
        "bunker": (
            "Sign for other programs on this machine (NIP-46): run, invite, list, revoke, log."
        ),
    },
    "mcp.command": {
        "mcp": (
            "Serve programs that speak the Model Context Protocol, over standard input and output."
        ),
    },
    "protocol.codes": {
        "encode": "Write codes: npub, note, nprofile, nevent, naddr, nsec (NIP-19).",
        "decode": (
            "Say what codes mean: npub, nsec, note, nevent, nprofile, naddr, hex, an address,"
            " a name."
        ),
    },
    "protocol.key": {
        "key": "Keys that are not kept: generate, public, encrypt, decrypt, validate.",
    },
    "protocol.encryption": {
        "encrypt": "Encrypt standard input for somebody (NIP-44), and print the payload.",
        "decrypt": (
            "Decrypt a payload from somebody (NIP-44; NIP-04 is read, too), and print the text."
        ),
    },
    "protocol.gift": {
        "gift": "Gift wraps (NIP-59): wrap, unwrap; JSON lines in, JSON lines out.",
    },
    "protocol.verify": {
        "verify": "Check events, one a line: print those that are right, and say of others why.",
    },
    "protocol.filter": {
        "filter": "Print the events that match a filter, of those on standard input, one a line.",
    },
    "protocol.specifications": {
        "nip": "What a NIP is about, whether it is in use, and how far this program goes.",
        "kind": "What events of a kind are, how relays keep them, and which NIP says so.",
    },
    "releases.group": {
        "app": "Releases of this program: check, update, carry, share, publish.",
    },
    "web": {
        "web": (
            "The terminal client in a browser on this machine, until Ctrl-C; prints a one-time"
            " link."
        ),
    },
    "protocol.req": {
        "req": "Print the events that match a filter (REQ), one a line.",
        "await": (
            "Wait until an event matches a filter, and print it; the exit code is 124 if none came."
        ),
    },
    "protocol.event": {
        "event": (
            "Make an event, sign it with your key, print it, and send it to relays that are named."
        ),
    },
    "protocol.publish_lines": {
        "publish": (
            "Send events, one a line of standard input, to relays; a line without a signature is"
            " signed."
        ),
    },
    "protocol.count": {
        "count": (
            "Say how many events match, as relays count them (COUNT); of several as one number."
        ),
    },
    "protocol.reconcile": {
        "reconcile": (
            "Compare the events here with those of relays (negentropy), and bring or send what is"
            " missing."
        ),
    },
    "protocol.fetch": {
        "fetch": "Print what a code or a name means, an event or a profile, from wherever it is.",
    },
    "protocol.outbox": {
        "outbox": (
            "Say where somebody writes, reads and gets messages, and from where that is known."
        ),
    },
    "protocol.signed_http": {
        "curl": (
            "Make an HTTP request signed by your key (NIP-98), and print the body of the answer."
        ),
        "admin": "Call a method of a relay's management (NIP-86), signed by your key.",
    },
    "protocol.status": {
        "status": "Say which accounts are here and what waits to be sent; no relay is asked.",
    },
    "completion": {
        "completion": "Print what has a shell complete commands, options, accounts and relays.",
    },
    "relay": {
        "relay": "Run a relay for yourself, friends or the public: run, import, export.",
    },
    "demo": {
        "demo": "Five relays and a small community on this machine, with no network at all.",
    },
    "drill": {
        "drill": (
            "Take relays down on this machine, with no network at all, and measure what is left."
        ),
    },
}
"""By the file within `nostr_client.cli`, in the order of the help."""

SECTIONS: Final[dict[str, str]] = {
    "Your account": "account backup restore status bunker",
    "Write": "post reply react repost delete dm drafts schedule send blossom",
    "Read": "feed notifications thread search plain web why",
    "People and lists": (
        "profile follow unfollow follows mute bookmark private-relay search-relay lists"
    ),
    "Relays, and losing them": (
        "relays copies history evacuate keep audit own-relay relay drill demo"
    ),
    "Events and filters, for pipes": (
        "req await fetch event publish count reconcile outbox verify filter admin curl"
    ),
    "Codes, keys and encryption": "encode decode key encrypt decrypt gift nip kind",
    "This program": "app mcp completion",
}
"""How help puts them together, names below a heading; each stands in one."""
