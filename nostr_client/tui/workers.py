"""Work off the keys' path, which ends with the screen or widget that began it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from textual.dom import DOMNode
from textual.worker import Worker, WorkType

from nostr_client.errors import NostrError
from nostr_client.tui.saying import Say

Work = Callable[[], Coroutine[Any, Any, Any]]
"""An async function, and not its coroutine: a worker that is ended before its first step would
leave one that nobody awaited, which is a warning."""


def start_worker(node: DOMNode, work: Work, group: str, *, exclusive: bool = False) -> Worker[None]:
    """Run `work` as a Textual worker of `node`; `exclusive`: what its group had begun is ended. An
    error of ours that it does not deal with is said: it ends the work, and not the app."""

    async def guarded() -> None:
        try:
            await work()
        except NostrError as error:
            node.post_message(Say(str(error), "error"))

    return node.run_worker(cast("WorkType[None]", guarded), group=group, exclusive=exclusive)
