"""The status page: what the relay says of itself to people, in one file of HTML.

It needs nothing from elsewhere and no script; with one, its figures stay fresh. All text from the
configuration is escaped, and only addresses of a few harmless schemes become links.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence
from importlib.resources import files
from string import Template
from typing import Final

import msgspec

from nostr_client.nips.nip11 import RelayInfo, Retention
from relays.metrics import MINUTES

SOFTWARE: Final = "nostr-client"
_LINKED: Final = ("https://", "http://", "mailto:", "nostr:")
_HEIGHT: Final = 60


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


class StatusPage:
    """Made once for a configuration; `html` and `json` with the figures of now.

    Without `live` no figures are shown: when its people are busy is nobody's business.
    """

    def __init__(self, info: RelayInfo, addresses: Sequence[str], *, live: bool = True) -> None:
        room = files("relays.web")
        style, script = ((room / f"status.{kind}").read_text("utf-8") for kind in ("css", "js"))
        self.policy = (
            f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)};"
            " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        """The Content-Security-Policy that this page keeps to."""
        self._addresses = addresses
        self._page = Template((room / "status.html").read_text("utf-8"))
        self._live = Template((room / "live.html").read_text("utf-8")) if live else None
        self._said = {
            "style": style,
            "script": f"<script>{script}</script>" if live else "",
            "name": _escaped(info.name or ""),
            "description_text": _escaped(" ".join((info.description or "").split())),
            "description": _paragraphs(info.description or ""),
            "facts": "\n".join(_facts(info)),
            "limits": "\n".join(_limits(info)),
            "software": SOFTWARE,
            "version": _escaped(info.version or ""),
        }

    def html(self, figures: Figures, here: str = "") -> bytes:
        """The page; `here` is what its reader calls the relay, if it has no public URL."""
        urls = self._addresses or (here,)
        addresses = ", ".join(f"<code>{_escaped(url)}</code>" for url in urls)
        live = "" if self._live is None else _shown(self._live, figures)
        return self._page.substitute(self._said, addresses=addresses, live=live).encode()

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
        _plot(id, label, texts[f"{id}-peak"], lines[f"{id}-line"])
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
    return {"in-line": _points(received), "out-line": _points(sent)}


def _series(figures: Figures) -> tuple[list[int], list[int]]:
    return [one[0] for one in figures.minutes], [one[1] for one in figures.minutes]


def _points(values: Sequence[int]) -> str:
    """The newest on the right; the highest reaches the top. It begins on the ground."""
    top = max(values, default=0) or 1
    shown = [0, *values][-MINUTES:]
    start = MINUTES - len(shown)
    pairs = (
        f"{start + index},{_HEIGHT - (_HEIGHT - 2) * value / top - 1:.4g}"
        for index, value in enumerate(shown)
    )
    return " ".join(pairs)


def _plot(id: str, label: str, peak: str, points: str) -> str:
    return (
        f'<figure class="{id}"><svg viewBox="0 0 {MINUTES} {_HEIGHT}" preserveAspectRatio="none"'
        f' role="img" aria-labelledby="{id}-caption"><polyline id="{id}-line" points="{points}"/>'
        f'</svg><figcaption class="quiet" id="{id}-caption">{label}: at most'
        f' <span id="{id}-peak">{peak}</span> in one minute</figcaption></figure>'
    )


def _facts(info: RelayInfo) -> Iterable[str]:
    said = (
        ("Contact", info.contact),
        ("Keeper's key", info.pubkey),
        ("Relay's own key", info.self),
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
    for rule in info.retention:
        yield f"<dt>Kept</dt><dd>{_escaped(_kept(rule))}</dd>"
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


def _kept(rule: Retention) -> str:
    kinds = [
        str(kind) if isinstance(kind, int) else "-".join(map(str, kind)) for kind in rule.kinds
    ]
    what = f"kinds {', '.join(kinds)}" if kinds else "everything else"
    return f"{what}: " + ("no end" if rule.time is None else f"{rule.time / 86_400:g} days")


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
        return f'<a href="{text}" rel="noopener noreferrer">{text}</a>'
    return text


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
