"""A picture or another file for what is being written: onto media servers, and its link back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from textual.widget import Widget
from textual.widgets import Input, Static

from nostr_client.client import NostrClient
from nostr_client.nips.nipb7 import server_url
from nostr_client.safe_text import safe_line
from nostr_client.social.media.uploads import (
    MetadataUnknown,
    UploadProgress,
    UploadReport,
    read_file,
)
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.form import FormScreen, field, prose
from nostr_client.tui.workers import start_worker

AS_IT_IS = "{form.go} once more sends it as it is"
NO_SERVERS = "Name a media server: https://… (nostr-client blossom add keeps it in your list)"


class AttachScreen(FormScreen[str]):
    """Asks which file and what is on it, and sends it; dismissed with its URL, which is served."""

    HEADING = "A picture, or another file"
    KEYS = (("form.go", "send it"), ("form.focus_next", "next field"), ("form.leave", "not now"))

    def __init__(self, client: NostrClient) -> None:
        super().__init__()
        self._client = client
        self._as_it_is = ""
        """The file that may say of its maker what it says."""
        self._lines: dict[str, str] = {}

    def body(self) -> Iterable[Widget]:
        yield prose(
            "It goes to two media servers, and each is asked to give it back. What a picture says"
            " of where, when and by whom it was taken is left out. A copy stays here."
        )
        yield field("File", "file", hint="~/pictures/roof.jpg")
        yield field("On it", "alt", hint="what is to be seen, for whoever does not see it")
        yield field("Servers", "servers", hint="https://…")
        yield Static("", markup=False, id="progress")

    def on_mount(self) -> None:
        self.query_one("#file").focus()
        start_worker(self, partial(self._guarded, self._show_servers), "servers")

    async def _show_servers(self) -> None:
        urls = await self._client.media.servers.urls()
        if not urls:
            await self._client.media.servers.fetch()
            urls = await self._client.media.servers.urls()
        if urls and not self.value("servers"):
            self.query_one("#servers", Input).value = " ".join(urls)
        self.problem("" if urls else NO_SERVERS)

    def go(self) -> None:
        file, servers = self.value("file").strip(), self.value("servers").split()
        if not file:
            self.problem("Which file? Its path on this machine.")
        elif not servers:
            self.problem(NO_SERVERS)
        else:
            self._lines.clear()
            self.start(partial(self._send, file, servers), "Reading it …")

    def action_leave(self) -> None:
        """At any time: what is under way ends with this screen."""
        self.dismiss(None)

    async def _send(self, file: str, servers: list[str]) -> None:
        alt, as_it_is = self.value("alt").strip(), self._as_it_is == file
        try:
            ready = await asyncio.to_thread(
                partial(read_file, Path(file), alt=alt, as_it_is=as_it_is)
            )
        except MetadataUnknown as error:
            self._as_it_is = file
            self.problem(f"{error}: {with_keys(AS_IT_IS)}")
            return
        self.problem("Sending it …")
        report = await self._client.media.upload(
            ready, [server_url(url) for url in servers], on_progress=self._show
        )
        self._conclude(report)

    def _show(self, progress: UploadProgress) -> None:
        """One line a server."""
        if progress.answer is not None:
            words = str(progress.answer)
        elif progress.step == "copying":
            words = f"{progress.server} copies it …"
        else:
            words = f"{progress.server} {100 * progress.sent // progress.size} %"
        self._lines[progress.server] = safe_line(words)
        self.query_one("#progress", Static).update("\n".join(self._lines.values()))

    def _conclude(self, report: UploadReport) -> None:
        """Raises UploadFailed where nobody serves it."""
        url = report.item().url
        if report.lacking or not report.kept:
            self.post_message(Say(str(report), "warning"))
        self.dismiss(url)
