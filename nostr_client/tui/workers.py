"""Work off the keys' path, which ends with the screen or widget that began it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

from textual.app import ScreenStackError
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.worker import Worker, WorkType

from nostr_client.errors import NostrError
from nostr_client.tui.saying import Say

Work = Callable[[], Coroutine[Any, Any, Any]]
"""An async function, and not its coroutine: a worker that is ended before its first step would
leave one that nobody awaited, which is a warning."""
GONE: Final = (NoMatches, ScreenStackError)
"""What work meets that outlives for a moment what it was begun for."""


def start_worker(node: DOMNode, work: Work, group: str, *, exclusive: bool = False) -> Worker[None]:
    """Run `work` as a Textual worker of `node`; `exclusive`: what its group had begun is ended. An
    error of ours that it does not deal with is said: it ends the work, and not the app. Nor does it
    when what is looked for on the screen has gone with the screen."""

    async def guarded() -> None:
        try:
            await work()
        except NostrError as error:
            node.post_message(Say(str(error), "error"))
        except GONE:
            if not _is_going(node):
                raise

    return node.run_worker(cast("WorkType[None]", guarded), group=group, exclusive=exclusive)


def _is_going(node: DOMNode) -> bool:
    """Is it being taken down, or what it stands in, or everything?"""
    going = any(each._pruning or each._closing or each._closed for each in node.ancestors_with_self)
    return going or not (node.is_attached and node.app.is_running)
