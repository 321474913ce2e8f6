"""Notebooks run from the first cell to the last, and are kept without what they said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.paths import Paths
from nostr_client.protocol.keys import SecretKey
from tests.conftest import StartRelay
from tests.docs_examples import SmallInternet

pytestmark = pytest.mark.tree

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))
BEN = SecretKey.from_hex("2" * 64)
LIMIT = 60
"""Seconds for a cell."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of Jupyter's own parts are not ours
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_it_runs(path: Path, tmp_path: Path, start_relay: StartRelay) -> None:
    """In a kernel of its own, as a person runs it, with a relay that holds some notes."""
    import nbformat
    from nbclient import NotebookClient

    relay = await start_relay()
    there = Paths(*(tmp_path / "ben" / name for name in ("config", "data", "state")))
    known = ClientConfig(relays=(relay.url,))
    async with NostrClient.open(BEN, paths=there, config=known, key_only_here=True) as ben:
        for text in ("The roof is fixed. #roof", "Bread at nine. #bread #roof"):
            (await ben.post(text)).report.raise_if_failed()
    async with SmallInternet(tmp_path, relay.url, {}) as internet:
        home = tmp_path / "home"
        (home / "config").mkdir(parents=True)
        (home / "config" / "config.toml").write_text(f'proxy = "{internet.proxy}"\n')
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        environment = kept | internet.environment
        environment |= {"HOME": str(tmp_path), "NOSTR_CLIENT_HOME": str(home)}
        ran = nbformat.read(path, as_version=4)
        folders = {"metadata": {"path": str(tmp_path)}}
        client = NotebookClient(ran, timeout=LIMIT, kernel_name="python3", resources=folders)
        await client.async_execute(env=environment)
    said = "".join(
        output.text
        for cell in ran.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream"
    )
    assert "2 notes" in said
    assert "#roof 2" in said
