"""The status page: what the relay says of itself to people, in one file of HTML.

It needs nothing from elsewhere and no script; with one (`status_refresh.js`), its figures stay
fresh. `plot` draws the events of the last minutes. All text from the configuration is escaped, and
only addresses of a few harmless schemes become links.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from string import Template
from typing import Final, NamedTuple

import msgspec

from nostr_client.nips.nip11 import RelayInfo
from nostr_client.nips.nip19 import encode_npub
from relays.config.relay_config import RelayConfig, RetentionRule
from relays.metrics import MINUTES
from relays.web.plot import plot, points

SOFTWARE: Final = "nostr-client"
_LINKED: Final = ("https://", "http://", "mailto:", "nostr:")


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What changes while the relay runs. Sizes in bytes, times in seconds.

    `received` and `sent` are events since the start; `minutes` both in each of the last minutes.
    """

    connections: int = 0
    subscriptions: int = 0
    received: int = 0
    stored: int = 0
    sent: int = 0
    database_bytes: int = 0
    uptime: float = 0.0
    minutes: Sequence[tuple[int, int]] = ()


class Neighbour(NamedTuple):
    """Another relay of the same process: its public URLs, or where there are none its path."""

    name: str
    description: str
    urls: tuple[str, ...]
    path: str


class StatusPage:
    """Made once for a configuration; `html` and `json` with the figures of now.

    `others` are the relays beside it. Without `live` no figures are shown: when its people are busy
    is nobody's business.
    """

    def __init__(
        self,
        info: RelayInfo,
        config: RelayConfig,
        *,
        others: Sequence[Neighbour] = (),
        live: bool = True,
    ) -> None:
        room = files("relays.web")
        names = ("status.css", "status_refresh.js")
        style, script = ((room / name).read_text("utf-8") for name in names)
        self.policy = (
            f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)};"
            " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        """The Content-Security-Policy that this page keeps to."""
        self._addresses = config.urls
        self._path = config.path
        self._others = others
        self._page = Template((room / "status.html").read_text("utf-8"))
        self._live = Template((room / "status_figures.html").read_text("utf-8")) if live else None
        self._said = {
            "style": style,
            "script": f"<script>{script}</script>" if live else "",
            "name": _escaped(info.name or ""),
            "description_text": _escaped(" ".join((info.description or "").split())),
            "description": _paragraphs(info.description or ""),
            "joining": "\n".join(f"<p>{_escaped(text)}</p>" for text in _joining(config)),
            "facts": "\n".join([*_facts(info), *_kept(config.retention.rules)]),
            "limits": "\n".join(_limits(info)),
            "software": SOFTWARE,
            "version": _escaped(info.version or ""),
        }

    def html(self, figures: Figures, here: str = "") -> bytes:
        """The page; `here` is what its reader calls the relay, if it has no public URL."""
        urls = self._addresses or (here,)
        addresses = ", ".join(f"<code>{_escaped(url)}</code>" for url in urls)
        live = "" if self._live is None else _shown(self._live, figures)
        others = _shown_others(self._others, here.removesuffix(self._path))
        return self._page.substitute(
            self._said, addresses=addresses, live=live, others=others
        ).encode()

    def json(self, figures: Figures) -> bytes:
        """What the page's script puts into it."""
        if self._live is None:
            return b"{}"
        return msgspec.json.encode({"texts": _texts(figures), "lines": _lines(figures)})


def _shown(template: Template, figures: Figures) -> str:
    texts, lines = _texts(figures), _lines(figures)
    counters = "\n".join(
        f'<div><dt>{label}</dt><dd id="{id}">{texts[id]}</dd></div>'
        for id, label in _LABELS.items()
    )
    plots = "\n".join(
        plot(id, label, texts[f"{id}-peak"], lines[f"{id}-line"])
        for id, label in (("in", "Events received"), ("out", "Events sent"))
    )
    return template.substitute(counters=counters, plots=plots, hours=MINUTES // 60)


_LABELS: Final = {
    "connections": "connections",
    "subscriptions": "subscriptions",
    "received": "events received",
    "stored": "of them stored",
    "sent": "events sent",
    "size": "database",
    "uptime": "running for",
}


def _texts(figures: Figures) -> dict[str, str]:
    received, sent = _series(figures)
    return {
        "connections": f"{figures.connections:,}",
        "subscriptions": f"{figures.subscriptions:,}",
        "received": f"{figures.received:,}",
        "stored": f"{figures.stored:,}",
        "sent": f"{figures.sent:,}",
        "size": size_text(figures.database_bytes),
        "uptime": _time_text(figures.uptime),
        "in-peak": f"{max(received, default=0):,}",
        "out-peak": f"{max(sent, default=0):,}",
    }


def _lines(figures: Figures) -> dict[str, str]:
    received, sent = _series(figures)
    return {"in-line": points(received), "out-line": points(sent)}


def _series(figures: Figures) -> tuple[list[int], list[int]]:
    return [one[0] for one in figures.minutes], [one[1] for one in figures.minutes]


def _facts(info: RelayInfo) -> Iterable[str]:
    said = (
        ("Contact", info.contact),
        ("Keeper's key", _npub(info.pubkey)),
        ("Relay's own key", _npub(info.self)),
        ("What may be posted", info.posting_policy),
        ("Privacy", info.privacy_policy),
        ("Terms of service", info.terms_of_service),
        ("About", ", ".join(info.tags)),
        ("Languages", ", ".join(info.language_tags)),
        ("Laws of", ", ".join(info.relay_countries)),
    )
    for label, value in said:
        if value:
            yield f"<dt>{label}</dt><dd>{_linked(value)}</dd>"
    limits = info.limitation
    asks = [
        words
        for words, asked in (
            ("authentication (NIP-42)", limits.auth_required),
            ("permission to write", limits.restricted_writes),
            (f"work of {limits.min_pow_difficulty} bits (NIP-13)", limits.min_pow_difficulty),
        )
        if asked
    ]
    yield f"<dt>It asks for</dt><dd>{', '.join(asks) or 'nothing'}</dd>"
    yield f"<dt>NIPs</dt><dd>{', '.join(f'{nip:02}' for nip in info.supported_nips)}</dd>"


def _limits(info: RelayInfo) -> Iterable[str]:
    limits = info.limitation
    rows = (
        ("Bytes in a message", limits.max_message_length),
        ("Characters in an event", limits.max_content_length),
        ("Tags in an event", limits.max_event_tags),
        ("Seconds an event may lie ahead", limits.created_at_upper_limit),
        ("Seconds an event may lie back", limits.created_at_lower_limit),
        ("Subscriptions at a time", limits.max_subscriptions),
        ("Filters in a question", limits.max_filters),
        ("Events for one filter", limits.max_limit),
        ("... where it names no limit", limits.default_limit),
    )
    for label, value in rows:
        if value is not None:
            yield f'<tr><th scope="row">{label}</th><td>{value:,}</td></tr>'


def _kept(rules: Iterable[RetentionRule]) -> Iterator[str]:
    """What holds for everybody's events; whose events are treated apart is not told."""
    for rule in rules:
        if not rule.authors:
            what = f"kinds {_listed(rule.kinds)}" if rule.kinds else "everything"
            but = f" but kinds {_listed(rule.except_kinds)}" if rule.except_kinds else ""
            yield f"<dt>Kept</dt><dd>{what}{but}: {rule.days:g} days</dd>"


def _listed(kinds: Iterable[int]) -> str:
    return ", ".join(map(str, kinds))


def _joining(config: RelayConfig) -> Iterator[str]:
    """How one comes to write here, and to read."""
    ask = f" ({config.contact})" if config.contact else ""
    members = config.members
    if members.enabled:
        whom = "any member" if members.invites_by == "members" else f"the keeper{ask}"
        yield (
            f"This relay has members. Ask {whom} for an invite: with its code, a client that knows"
            " NIP-43 joins by itself. Whose client does not is added by the keeper, who needs"
            " your npub."
        )
    if members.enabled and config.writers_are == config.readers_are == "members":
        return
    writers = {
        "anyone": "Anyone may write",
        "trusted": "Those may write whom the keeper, or somebody he follows, follows",
        "members": "Members may write",
        "listed": f"Those may write whom the keeper{ask} has named",
        "nobody": "Nobody writes here: it is a copy of other relays",
    }[config.writers_are]
    readers = {
        "anyone": "anyone may read",
        "trusted": "the same web of trust may read",
        "members": "members may read",
        "listed": f"those may read whom the keeper{ask} has named",
        "nobody": "only the keeper reads",
    }[config.readers_are]
    yield f"{writers}; {readers}. To use it, add its address to the relays of your client."


def _shown_others(others: Sequence[Neighbour], here: str) -> str:
    if not others:
        return ""
    items = "\n".join(
        f"<dt>{_escaped(other.name)}</dt><dd>"
        + ", ".join(f"<code>{_escaped(url)}</code>" for url in other.urls or (here + other.path,))
        + (f"<br>{_escaped(other.description)}" if other.description else "")
        + "</dd>"
        for other in others
    )
    return (
        '<section aria-labelledby="others">\n<h2 id="others">Beside it</h2>\n'
        f"<dl>\n{items}\n</dl>\n</section>"
    )


def _npub(pubkey: str | None) -> str | None:
    """As a link that opens in a client."""
    return None if pubkey is None else f"nostr:{encode_npub(pubkey)}"


def size_text(size: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"


def _time_text(seconds: float) -> str:
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"


def _paragraphs(text: str) -> str:
    parts = (part.strip() for part in text.split("\n\n"))
    return "\n".join(f"<p>{_escaped(part)}</p>" for part in parts if part)


def _linked(value: str) -> str:
    text = _escaped(value)
    if value.startswith(_LINKED) and not any(c.isspace() for c in value):
        shown = text.removeprefix("nostr:")
        return f'<a href="{text}" rel="noopener noreferrer">{shown}</a>'
    return text


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
