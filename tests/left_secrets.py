"""Where a secret may be left: in what was said, in files, in processes, on a screen.

Every test of that searches by these functions, and `tests/test_left_secrets.py` shows of each that
it finds what is there.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from nostr_client.nips import nip19
from nostr_client.protocol.keys import SecretKey

Forms = Mapping[str, bytes]
"""What is looked for, by names that may be shown."""
PART: Final = 12
"""Characters of a secret that must not be seen together: a narrow field shows the end of it."""
_BLANKS: Final = re.compile(r"\s+")


def forms_of(key: SecretKey, name: str = "") -> dict[str, bytes]:
    """The forms in which `key` may lie about."""
    raw = bytes(key)
    forms = {
        "nsec": nip19.encode_nsec(key).encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "raw": raw,
        "base64": base64.b64encode(raw)[:40],
    }
    return {f"{name} {form}".strip(): secret for form, secret in forms.items()}


def in_data(forms: Forms, data: bytes) -> list[str]:
    return [name for name, secret in forms.items() if secret in data]


def in_texts(forms: Forms, texts: Iterable[str]) -> list[str]:
    return [f"said: {name}" for text in texts for name in in_data(forms, text.encode())]


def in_folders(forms: Forms, *folders: Path) -> list[str]:
    """In every file below `folders`: databases and their WAL, logs, drafts."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [f"{file}: {name}" for file in files for name in in_data(forms, file.read_bytes())]


def in_process(forms: Forms, pid: int) -> list[str]:
    """In what the system shows of a process, to those to whom it shows it: nothing is shown of one
    that another user may not read."""
    found = []
    for file in ("cmdline", "environ"):
        try:
            data = Path(f"/proc/{pid}/{file}").read_bytes()
        except PermissionError:
            continue
        found += [f"{file}: {name}" for name in in_data(forms, data)]
    return found


def in_screenshot(forms: Forms, svg: str) -> list[str]:
    """In the text of a picture of the terminal: a part of one, too, over the ends of its lines."""
    lines = re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)
    text = html.unescape("".join(re.sub(r"<[^>]*>", "", line) for line in lines))
    solid = _BLANKS.sub("", re.sub("[\u2500-\u259f]", "", text))
    written = {name: secret.decode() for name, secret in forms.items() if secret.isascii()}
    return [f"shown: {name}" for name, secret in written.items() if _part_of(secret, solid)]


def _part_of(secret: str, text: str) -> bool:
    solid = _BLANKS.sub("", secret)
    ends = range(min(PART, len(solid)), len(solid) + 1)
    return any(solid[max(0, end - PART) : end] in text for end in ends)
