"""How a command line runs and ends: help, an error in one line, and the exit code of each ending.

Expected errors are one line on standard error, Ctrl-C and SIGTERM end cleanly, a reader that has
gone away (`| head`) ends it quietly, and a bug is one line with its place in a log file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nostr_client.command_line.parse import UsageError, find, parse
from nostr_client.command_line.streams import open_closed_streams, write_words
from nostr_client.command_line.tree import Command, Group
from nostr_client.redact import redacted, remember_arguments

if TYPE_CHECKING:
    from nostr_client.command_line.context import Context
    from nostr_client.errors import NostrError


def run_command_line(root: Group, program: str, arguments: Sequence[str]) -> int:
    """Run one command of `root`; returns its exit code."""
    open_closed_streams()
    remember_arguments(arguments)
    if root.version and list(arguments[:1]) == ["--version"]:
        return write_words(root.version)
    if list(arguments[:1]) == ["help"] and "help" not in root.members:
        arguments = [*arguments[1:], "--help"]
    path: list[str] = []
    try:
        found, words = find(root, arguments, path)
        called = " ".join([program, *path])
        if isinstance(found, Group):
            return _help(found, called, wanted=bool(words))
        values = parse(found.parameters(), words)
        if values is None:
            return _help(found, called, example=root.examples().get(" ".join(path), ""))
    except UsageError as error:
        from nostr_client.exits import Exit
        from nostr_client.output import Output

        wrong = redacted(str(error))
        where = " ".join([program, *path, "--help"])
        return Output("--json" in arguments).fail(f"{wrong} ({where})", Exit.USAGE)
    return _run(found, values, lambda shell: _completion(root, program, shell))


def _help(found: Command | Group, called: str, *, wanted: bool = True, example: str = "") -> int:
    """Where it is not wanted, a command is missing, and that is an error."""
    from nostr_client.command_line.help import help_of

    if wanted:
        return write_words(help_of(found, called, example))
    sys.stderr.write(f"{help_of(found, called)}\n")
    from nostr_client.exits import Exit

    return Exit.USAGE


def _completion(root: Group, program: str, shell: str) -> str:
    from nostr_client.command_line.completion import script

    return script(root, program, shell)


def _run(command: Command, values: dict[str, object], completion: Callable[[str], str]) -> int:
    common = {name: values.pop(name) for name in command.common}
    context = command.open(**common)
    context.completion = completion
    return finish(context, lambda: command.run(context, values))


def finish(context: Context, work: Callable[[], None]) -> int:
    """Do `work`; its exit code, or that of the error it ended with."""
    from nostr_client.command_line.waiting import Terminated
    from nostr_client.exits import Exit

    try:
        work()
        _flush()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Terminated as end:
        return 128 + end.number
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.ERROR
    except Exception as error:  # noqa: BLE001 - the last net
        return _failed(context, error)
    return context.exit_code


def _failed(context: Context, error: Exception) -> int:
    from nostr_client.errors import NostrError, NotWritten
    from nostr_client.exits import Exit
    from nostr_client.output import drop, not_written
    from nostr_client.tasks import first_of

    error = first_of(error)
    if isinstance(error, NostrError):
        return _expected(context, error)
    if isinstance(error, BrokenPipeError):  # who read it has enough
        drop(sys.stdout)
        return Exit.DONE
    if isinstance(error, OSError):
        try:
            _flush()
        except OSError:
            drop(sys.stdout)
            return _expected(context, NotWritten(not_written(error)), error)
        return _expected(context, NostrError(_words_of(error)), error)
    return context.report_bug(error)  # its owner is told where, and nothing of what it held


def _flush() -> None:
    """What a command wrote must have gone out before it says that all is well."""
    sys.stdout.flush()


def _words_of(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _expected(context: Context, error: NostrError, cause: BaseException | None = None) -> int:
    from nostr_client.exits import CommandError, exit_code_of
    from nostr_client.settings import InvalidSettings

    if context.debug:
        context.show_trace(cause or error)
    record = error.record if isinstance(error, CommandError) else {}
    code = exit_code_of(error)
    if not isinstance(error, InvalidSettings):
        return context.out.fail(redacted(str(error)), code, record)
    problems = [redacted(problem) for problem in error.problems]
    if context.json:
        return context.out.fail("; ".join(problems), code, {"problems": problems})
    for problem in problems:
        context.out.fail(problem)
    return code
