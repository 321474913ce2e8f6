"""The entry of every face: it picks one and loads nothing of the others.

No command opens the terminal client, and so does `demo` on a terminal; `relay` is handed over whole
to the relay runner (the one door to that package); all else goes to the command line.
"""

from __future__ import annotations

import os
import sys

from nostr_client.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:  # what `typing` would say, which takes longer to load than a version to be said
    from collections.abc import Sequence

    from nostr_client.command_line.tree import Group

WITHOUT_TERMINAL = """\
nostr-client needs a terminal to open. Without one, use its commands:
  nostr-client post "hello"       write a note
  nostr-client feed --json        read, one JSON object a line
  nostr-client relay run          run a relay
  nostr-client --help             all commands"""


KEY_IS_FOR_COMMANDS = """\
NOSTR_CLIENT_KEY gives a key to commands: the terminal client uses the accounts that are kept here.
Unset it, or say which command is meant."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `nostr-client` with `arguments` (default: the program's own); returns the exit code."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from nostr_client.command_line.streams import open_closed_streams

        open_closed_streams()
    try:
        return _main(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        from nostr_client.exits import Exit

        return Exit.INTERRUPTED


def _in_browser() -> bool:
    """Is this the session of a tab, whose pipes are its terminal (`nostr-client web`)?"""
    return os.environ.get("TEXTUAL_DRIVER") == "textual.drivers.web_driver:WebDriver"


def _main(given: list[str]) -> int:
    if given == ["--version"]:
        from nostr_client.command_line.streams import write_words

        return write_words(f"nostr-client {__version__}")
    if given[:1] == ["relay"]:
        from relays.cli.app import run_command as run_relay_command

        return run_relay_command(given[1:])
    from nostr_client.core_dumps import forbid_core_dumps

    forbid_core_dumps()
    on_terminal = (sys.stdin.isatty() and sys.stdout.isatty()) or _in_browser()
    if not given and not on_terminal:
        from nostr_client.exits import Exit

        print(WITHOUT_TERMINAL, file=sys.stderr)  # noqa: T201
        return Exit.USAGE
    if not given or (given == ["demo"] and on_terminal):
        import gc

        gc.disable()  # while everything is imported, which is all kept; `warm_up` has it again
        from nostr_client.cli.secret_input import take_from_environment
        from nostr_client.command_line.error_log import keep_log
        from nostr_client.paths import paths
        from nostr_client.tui.run import run

        # The terminal client asks; nothing that it starts is to inherit a secret.
        if take_from_environment().key is not None and not given:
            from nostr_client.exits import Exit

            print(KEY_IS_FOR_COMMANDS, file=sys.stderr)  # noqa: T201
            return Exit.USAGE
        keep_log(paths().state / "nostr-client.log")
        return run(demo=given == ["demo"])
    from nostr_client.cli.app import run_command

    return run_command(
        ["plain", *given[1:]] if given[:1] == ["--plain"] else given, relay=_relay_commands
    )


def _relay_commands() -> Group:
    """The relay's commands, for whoever tells of all: a shell that completes them, say."""
    from relays.cli.app import build

    return build()
