"""What searches for secrets that are left finds those that are there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Static

from nostr_client.protocol.keys import SecretKey
from tests.left_secrets import forms_of, in_folders, in_process, in_screenshot, in_texts

FORMS = forms_of(SecretKey(b"\x2a\x07" * 16)) | {"password": b"correct horse battery staple"}
WRITTEN = {name: secret for name, secret in FORMS.items() if name != "raw"}


def test_in_files_and_in_what_was_said(tmp_path: Path) -> None:
    for number, secret in enumerate(FORMS.values()):
        (tmp_path / f"file-{number}.db-wal").write_bytes(b"before" + secret + b"behind")
    assert len(in_folders(FORMS, tmp_path)) == len(FORMS)
    for name, secret in WRITTEN.items():
        assert in_texts(FORMS, [f"error: {secret.decode()}!"]) == [f"said: {name}"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_in_processes() -> None:
    for name, secret in WRITTEN.items():
        for arguments, environment, file in (
            ([secret.decode()], {}, "cmdline"),
            ([], {"NOSTR_CLIENT_KEY": secret.decode()}, "environ"),
        ):
            with subprocess.Popen(
                ["cat", "-", *arguments],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as process:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(b"ready\n")
                process.stdin.flush()
                assert process.stdout.readline() == b"ready\n"
                found = in_process(FORMS, process.pid)
                process.kill()
            assert found == [f"{file}: {name}"]


class _Shown(App[None]):
    CSS = "Static { border: round white; width: 30; }"

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        yield Static(self._text, markup=False)


@pytest.mark.parametrize("name", ["nsec", "hex", "password"])
async def test_on_a_screen(name: str) -> None:
    """Wrapped in a box of 30 cells, or only its end."""
    secret = FORMS[name].decode()
    for text in (f"it is {secret} !", f"…{secret[-14:]}"):
        app = _Shown(text)
        async with app.run_test(size=(60, 12)) as pilot:
            await pilot.pause()
            assert in_screenshot(FORMS, app.export_screenshot()) == [f"shown: {name}"]
