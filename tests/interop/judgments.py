"""Whose each failure is, found out by hand: what stands beside what the run saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.interop.cells import Feature

JUDGED: Final[Mapping[tuple[str, Feature], str]] = {
    (
        "NDK",
        Feature.AUTH,
    ): "Theirs: it signs in, and the relay says yes, but the event that was refused as `auth-required`"
    " before is not sent again.",
}
"""By peer and feature; one whole sentence or more."""
