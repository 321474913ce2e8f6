"""Where the shared test vectors are, if this checkout has them beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "vectors"
VECTORS: Path | None = _FOLDER if _FOLDER.is_dir() else None
needs_vectors = pytest.mark.skipif(
    VECTORS is None, reason="the shared test vectors are not beside this checkout"
)


def real_events() -> Iterator[bytes]:
    """The JSON lines of every real event in the vectors (1,812 of them)."""
    assert VECTORS is not None
    for path in sorted((VECTORS / "events").glob("*.jsonl")):
        yield from (line.strip() for line in path.read_bytes().splitlines() if line.strip())
