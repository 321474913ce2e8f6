"""Whose each failure is, found out by hand: what stands beside what the run saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.interop.cells import Feature

JUDGED: Final[Mapping[tuple[str, Feature], str]] = {}
"""By peer and feature; one whole sentence or more."""
