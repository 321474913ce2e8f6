"""`nostr-client relay config`: what a configuration means, and what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nostr_client.command_line.tree import Argument, Group
from nostr_client.exits import Exit
from relays.cli.command import PLAIN, add_command

if TYPE_CHECKING:
    from relays.cli.context import RelayContext
    from relays.config.relay_config import RelayConfig


def check(
    context: RelayContext,
    file: Annotated[Path | None, Argument("[FILE]", "Settings, in TOML.")] = None,
) -> None:
    """Say what is wrong, or what it means."""
    from relays.config.explain import meaning
    from relays.config.relay_config import read_config

    config, problems = read_config(file)
    problems = problems or _unusable(config)
    lines = [] if problems else meaning(config)
    if problems:
        context.exit_code = Exit.ERROR
    if context.json:
        context.out.emit({"sound": not problems, "problems": problems, "meaning": lines}, "")
        return
    where = f"{file}: " if file is not None else ""
    for problem in problems:
        context.out.fail(f"{where}{problem}")
    if not problems:
        context.out.emit({}, "\n".join(lines))


def _unusable(config: RelayConfig) -> list[str]:
    """What can be read and cannot be used: words, networks, a keeper's own policies."""
    from nostr_client.errors import ConfigError, InvalidData
    from relays.networks import Networks
    from relays.policies.banned_words import without_words
    from relays.policies.plugin import file_of
    from relays.policies.python_policy import PythonPolicy
    from relays.server.tls import certificate
    from relays.sync.mirror import check_mirror

    wrong: list[str] = []
    for path, sub_relay in (("", config), *((f"rooms.{n}.", r) for n, r in config.rooms.items())):
        for word in sub_relay.events.words:
            try:
                without_words([word])
            except InvalidData as error:
                wrong.append(f"{path}events.words: {word!r}: {error}")
        for mirror in sub_relay.mirror:
            try:
                check_mirror(mirror)
            except ConfigError as error:
                wrong.append(f"{path}{error}")
        own = sub_relay.policies
        for name in dict.fromkeys((*own.python, *own.questions)):
            try:
                custom = PythonPolicy(name, folder=own.folder)
            except ConfigError as error:
                wrong.append(f"{path}{error}")
                continue
            if custom.is_async and name in own.questions:
                wrong.append(f"{path}policies.questions: {name} is async, and must not be")
        for command in own.plugins:
            file = file_of(command, own.folder)
            if file is not None and "/" in command and not os.access(file, os.X_OK):
                wrong.append(f"{path}policies.plugins: {file} is not there, or not executable")
    try:
        Networks(config.web.trusted_proxies)
    except ConfigError as error:
        wrong.append(f"web.trusted_proxies: {error}")
    try:
        certificate(config.web.tls_certificate, config.web.tls_key)
    except ConfigError as error:
        wrong.append(str(error))
    return wrong


def add_to(root: Group) -> None:
    """It stands in a group of its own."""
    add_command(root.group("config", "Look at a configuration."), "check", check, PLAIN)
