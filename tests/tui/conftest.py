"""Fixtures of the terminal client's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.world import World, world_in


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Empty folders, nobody there."""
    return world_in(tmp_path)
