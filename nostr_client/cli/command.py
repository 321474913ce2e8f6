"""How a command runs: its common options, its exit code, and what happens when it fails.

A command is a plain function whose first parameter is a `Run`. `add_command` adds the common
options to it and turns every ending into an exit code: expected errors are one line on standard
error, Ctrl-C and SIGTERM end cleanly, and a bug is one line more than its place in a log file.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from nostr_client.cli.waiting import Terminated
from nostr_client.errors import NostrError
from nostr_client.exits import CommandError, Exit, exit_code_of
from nostr_client.redact import blotted

if TYPE_CHECKING:
    from nostr_client.cli.run import Run

Command = Callable[..., None]
_UsageError: Final[Any] = typer.BadParameter.__base__


class CarefulGroup(TyperGroup):
    """The tree of commands; what is wrong with its arguments is said without secrets."""

    def make_context(self, *args: Any, **more: Any) -> Any:
        try:
            return super().make_context(*args, **more)
        except _UsageError as error:
            error.message = blotted(error.message)
            raise

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            error.message = blotted(error.message)
            raise


def group_with_default(default: str) -> type[TyperGroup]:
    """A group of commands that runs `default` when what follows names none of them."""

    class Group(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            asks_help = args[:1] in (["--help"], ["-h"])
            if not asks_help and (not args or args[0] not in self.commands):
                args = [default, *args]
            return super().parse_args(ctx, args)

    return Group


_OPTIONS: Final[dict[str, tuple[Any, Any, Any]]] = {
    "json": (
        bool,
        typer.Option("--json", help="Print one JSON object a line."),
        False,
    ),
    "account": (
        str | None,
        typer.Option("--account", metavar="WHO", help="Act as this account: its name or npub."),
        None,
    ),
    "password_fd": (
        int | None,
        typer.Option(
            "--password-fd",
            metavar="N",
            help="Read the password from this file descriptor. Also: $NOSTR_CLIENT_PASSWORD.",
        ),
        None,
    ),
    "own_relay": (
        bool | None,
        typer.Option(
            "--own-relay/--no-own-relay",
            help="Keep a relay of your own running on this machine.",
            show_default=False,
        ),
        None,
    ),
    "debug": (
        bool,
        typer.Option("--debug", help="Show where an error came from."),
        False,
    ),
}
PLAIN: Final = frozenset({"json", "debug"})
"""Options of a command that needs no account."""
KEEPING: Final = PLAIN | {"password_fd"}
"""Those of one that creates or imports a key."""
UNLOCKING: Final = KEEPING | {"account"}
"""Those of one that uses a key, and no network."""
CLIENT: Final = UNLOCKING | {"own_relay"}
"""Those of one that opens a client: to sign, or to log in to own relays where it reads."""


def add_command(app: typer.Typer, name: str, function: Command, taken: frozenset[str]) -> None:
    """Make `function` the command `name` of `app`, with the common options that are `taken`."""
    options = {option: spec for option, spec in _OPTIONS.items() if option in taken}
    # `Run` is not loaded yet, and typer has no need of it.
    signature = inspect.signature(function, eval_str=True, locals={"Run": object})
    own = list(signature.parameters.values())[1:]
    common = [
        inspect.Parameter(
            option,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[kind, info],
        )
        for option, (kind, info, default) in options.items()
    ]

    def wrapper(**given: Any) -> None:
        from nostr_client.cli.run import Run

        run = Run(**{option: given.pop(option) for option in options})
        raise typer.Exit(_run(run, lambda: function(run, **given)))

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + common
    wrapper.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=None
    )
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    wrapper.__doc__ = function.__doc__
    app.command(name)(wrapper)


def _run(run: Run, work: Callable[[], None]) -> int:
    try:
        work()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Terminated as end:
        return 128 + end.number
    except NostrError as error:
        return _expected(run, error)
    except (asyncio.CancelledError, typer.Exit):
        raise
    except ExceptionGroup as group:
        expected, others = group.split(NostrError)
        if others is not None or expected is None:
            return run.report_bug(group)
        return _expected(run, _first_of(expected))
    # The last net: a bug. Its owner is told where, and nothing of what it held.
    except Exception as error:  # noqa: BLE001
        return run.report_bug(error)
    return run.exit_code


def _expected(run: Run, error: NostrError) -> int:
    if run.debug:
        run.show_trace(error)
    record = error.record if isinstance(error, CommandError) else {}
    return run.out.fail(blotted(str(error)), exit_code_of(error), record)


def _first_of(group: ExceptionGroup[NostrError]) -> NostrError:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first
