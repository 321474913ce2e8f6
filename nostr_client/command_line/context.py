"""What every command is given, and what it ends with."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from nostr_client.exits import Exit
from nostr_client.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass
class Context:
    """`exit_code` is what the command ends with unless an error says otherwise. `quiet`: nothing
    goes to standard error but errors."""

    json: bool = False
    debug: bool = False
    quiet: bool = False
    exit_code: int = Exit.DONE
    completion: Callable[[str], str] | None = None
    """The script that has a shell complete the commands among which this one was named."""

    @cached_property
    def out(self) -> Output:
        return Output(json=self.json, quiet=self.quiet)

    @property
    def error_log(self) -> Path:
        """Where errors that nobody expected are kept."""
        from nostr_client.paths import paths

        return paths().state / "nostr-client.log"

    def show_trace(self, error: BaseException) -> None:
        """Where `error` came from, for `--debug`."""
        from nostr_client.command_line.error_log import trace_of

        self.out.note(trace_of(error).rstrip())

    def report_bug(self, error: BaseException) -> int:
        """An error that nobody expected: one line, and its place in the log."""
        import logging

        from nostr_client.command_line.error_log import keep_log, trace_of

        where = "the details could not be logged"
        with contextlib.suppress(OSError):
            if not logging.getLogger().handlers:
                keep_log(self.error_log)
            logging.getLogger("nostr_client.command_line").error("%s", trace_of(error))
            where = f"the details are in {self.error_log}"
        if self.debug:
            self.show_trace(error)
        return self.out.fail(
            f"a bug in nostr-client stopped this ({type(error).__name__}); {where}", Exit.ERROR
        )
