"""The person's own editor, `$VISUAL` or `$EDITOR`, in place of the text area.

It is started with its arguments, never through a shell, on a file for its owner only (0600), and is
given no secret of the environment. The client works on behind it; the terminal is the editor's.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

from nostr_client.errors import ConfigError, StoreError
from nostr_client.paths import private_folder, take_free_name, translated, write_private
from nostr_client.safe_text import typeable
from nostr_client.social.drafts import MOST_ASIDE, MOST_BYTES
from nostr_client.tui.programs import start


def editor_command() -> list[str]:
    """The editor and its arguments. Raises ConfigError where none is set, or it cannot be read."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(os.environ.get(name, ""))
        except ValueError as error:
            raise ConfigError(f"${name} cannot be read: {error}") from error
        if words:
            return words
    raise ConfigError("no editor is set: put its name into $VISUAL or $EDITOR")


async def edited_by_editor(app: App[Any], text: str, path: Path) -> str:
    """Have `text` edited in the file `path`, and return what became of it.

    The file stays, for whoever keeps the text to remove, also where we are ended meanwhile. Raises
    ConfigError, StoreError; then the file is gone, and the text is as it was. What was saved in it
    by an editor that says no lies beside it.
    """
    command = editor_command()
    await asyncio.to_thread(_lay_out, path, text)
    try:
        code = await run_in_terminal(app, [*command, str(path)])
        if code > 0:  # the person said no; one that was killed leaves what was saved in it
            aside = await asyncio.to_thread(_set_aside, path, text)
            kept = f"; what was saved in it is kept as {aside}" if aside else ""
            raise ConfigError(f"the editor ended with code {code}: the text is as it was{kept}")
        return await asyncio.to_thread(_read, path)
    except ConfigError:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise


async def run_in_terminal(app: App[Any], command: list[str]) -> int:
    """Leave the terminal to a program until it ends; its exit code. Raises ConfigError where it
    does not start, or the terminal cannot be left to it."""
    try:
        with app.batch_update(), app.suspend(), _interrupts_left_to_the_program():
            process = await start(command)
            try:
                code = await process.wait()  # as long as the person is at it
            finally:
                if process.returncode is None:
                    process.terminate()
    except SuspendNotSupported as error:
        raise ConfigError(f"this terminal cannot be left to {command[0]}") from error
    app.refresh(layout=True)
    return code


def _lay_out(path: Path, text: str) -> None:
    private_folder(path.parent)
    write_private(path, text.encode("utf-8", "replace"))


def _set_aside(path: Path, text: str) -> Path | None:
    """Keep what was saved beside the file; None where that is the text still. Raises StoreError."""
    with translated(f"what the editor left as {path} cannot be kept"):
        if (
            not path.exists()
            or path.read_bytes().strip() == text.encode("utf-8", "replace").strip()
        ):
            return None
        for number in range(1, MOST_ASIDE):
            aside = path.with_suffix(f".refused-{number}")
            if take_free_name(path, aside):
                return aside
    raise StoreError(
        f"{path} holds what the editor saved, and many like it lie there: move it away"
    )


def _read(path: Path) -> str:
    """What the editor left. Raises StoreError: the file stays then."""
    with translated(f"what the editor left as {path} cannot be read"):
        data = path.read_bytes()
    if len(data) > MOST_BYTES:
        raise StoreError(f"the text in {path} is too long")
    # An editor ends the last line, and the text that it was given had no such end.
    return typeable(data.decode(errors="replace")).removesuffix("\n")


@contextmanager
def _interrupts_left_to_the_program() -> Iterator[None]:
    """ctrl+c reaches everybody at the terminal: for the program it means something, for us not.

    A handler of ours is not inherited by it, as ignoring the signal would be."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
