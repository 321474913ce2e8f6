"""What one system has and another has not: where it may stand, and that it is asked for first."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.architecture import Sources, tree_of

PLACES: Final = {
    "fcntl": ("nostr_client.paths", "nostr_client.releases.bundle_installer"),
    "msvcrt": ("nostr_client.paths",),
    "grp": ("nostr_client.paths",),
    "pwd": ("nostr_client.paths",),
    "resource": (
        *("nostr_client.core_dumps", "nostr_client.social.media.picture_worker"),
        *("relays.cli.context", "relays.operations.doctor_machine"),
    ),
    "termios": ("nostr_client.cli.terminal_lines",),
    **dict.fromkeys(("posix", "pty", "readline", "syslog", "tty", "winreg"), ()),
}
"""Modules that not every system has, and who may import them."""
NAMES: Final = {
    "os": {
        *("chown", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid"),
        *("getgroups", "getloadavg", "getpgid", "getuid", "killpg", "lchown", "mkfifo"),
        *("openpty", "posix_fadvise", "posix_fallocate", "posix_spawn", "pread", "pwrite"),
        *("sched_getaffinity", "sendfile", "setgid", "setsid", "setuid", "statvfs", "sysconf"),
        *("ttyname", "uname", "waitid", "O_CLOEXEC", "O_DIRECTORY", "O_NOCTTY"),
        *("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK"),
    },
    "signal": {
        *("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2"),
        *("SIGWINCH", "SIGTSTP", "SIGBREAK", "pthread_sigmask", "setitimer"),
        *("sigwait",),
    },
    "socket": {"AF_UNIX", "SCM_RIGHTS", "SO_REUSEPORT", "recv_fds", "send_fds"},
    "select": {"epoll", "kqueue", "poll", "POLLHUP"},
    "loop": {
        *("add_reader", "add_signal_handler", "add_writer", "create_unix_connection"),
        *("create_unix_server", "open_unix_connection", "start_unix_server"),
    },
}
"""Names that not every system has, by where they come from; those of a loop, of any object."""
ASKED_BEFORE: Final = {("nostr_client.paths", "grp"), ("nostr_client.paths", "pwd")}
"""Whoever calls has asked."""
_MISSING: Final = {"AttributeError", "ImportError", "NotImplementedError"}
"""What says that something is not there."""
_Scope = ast.FunctionDef | ast.AsyncFunctionDef


def not_everywhere(sources: Sources) -> Iterator[str]:
    """What not every system has stands where the same function asks for the system, or for it."""
    for module, source in sources.items():
        if _has_some(source):
            yield from _unasked(module, tree_of(source), asked=False)


_has_some: Final = re.compile(
    rf"\b(?:import|from) +(?:{'|'.join(PLACES)})\b"
    rf"|\.(?:{'|'.join(name for names in NAMES.values() for name in names)})\b"
    rf"|\bfrom +(?:{'|'.join(NAMES)}) +import\b"
).search
"""Most modules have none, and need not be walked."""


def _unasked(module: str, node: ast.AST, *, asked: bool) -> Iterator[str]:
    """In `node`; `asked`: around it the system was asked for."""
    for child in ast.iter_child_nodes(node):
        here = asked or (isinstance(child, _Scope | ast.If | ast.Try) and _asks(child))
        for name in _names_in(child):
            where = f"{module}:{getattr(child, 'lineno', 0)} has {name}"
            if module not in PLACES.get(name, (module,)):
                yield f"{where}: its places are {', '.join(PLACES[name]) or 'none'}"
            if not here and (module, name) not in ASKED_BEFORE:
                yield f"{where}, which not every system has, and does not ask for it"
        yield from _unasked(module, child, asked=here)


def _names_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (one.name for one in node.names if one.name in PLACES)
    elif isinstance(node, ast.ImportFrom):
        if node.module in PLACES:
            yield node.module
        lacking = NAMES.get(node.module or "", set())
        yield from (one.name for one in node.names if one.name in lacking)
    elif isinstance(node, ast.Attribute):
        base = node.value.id if isinstance(node.value, ast.Name) else ""
        if node.attr in NAMES.get(base, NAMES["loop"]):
            yield node.attr


def _asks(node: ast.AST) -> bool:
    """Is there a question for the system, or what follows where something is missing?"""
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            if (each.value.id, each.attr) in {("sys", "platform"), ("os", "name")}:
                return True
        elif isinstance(each, ast.Name) and each.id in {"hasattr", *_MISSING}:
            return True
    return False
