"""A page of the documents, followed by somebody who copies one block after the other into bash.

Blocks that begin with a file's name are saved under it. What asks for a password is answered.
"""

from __future__ import annotations

import io
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pexpect

from tests.docs_examples import ROOT, Example

LIMIT: Final = 150.0
"""Seconds for all of a page."""
PORT: Final = "7777"
"""The one that pages name; another process of this machine may have it."""
PROMPT: Final = r"(?im)(?:^Once more|pass(?:word|phrase)[^\r\n:]*):\s*$"
ELSEWHERE: Final = """\
# Loaded by every Python that a page starts, for what has no settings of the client's: whatever is
# not this machine is in the small internet.
import os

from nostr_client.net import dial
from nostr_client.net.proxy import ProxyAddress
from nostr_client.protocol.urls import is_private_host

proxy, straight = ProxyAddress(os.environ["SMALL_INTERNET"]), dial.open_socket


async def open_socket(url, host, port, options):
    if is_private_host(host):
        return await straight(url, host, port, options)
    return await proxy.connect(url, host, port)


dial.open_socket = open_socket
"""
HEAD: Final = """\
set -euo pipefail
trap 'echo "FAILED: $BASH_COMMAND"' ERR
trap 'trap "" TERM; kill 0; wait' EXIT
"""


def follow(page: Sequence[Example], folder: Path, environment: Mapping[str, str]) -> str:
    """Everything that was to be seen. Raises AssertionError where a command fails."""
    work, code = folder / "work", folder / "elsewhere"
    work.mkdir(parents=True)
    code.mkdir()
    (code / "sitecustomize.py").write_text(ELSEWHERE)
    port = str(_free_port())
    script = HEAD
    for one in page:
        text = one.text.replace(PORT, port)
        if one.why:
            continue
        if one.file:
            (work / one.file).write_text(text)
        elif one.until:
            log = f"said-{one.line}"
            script += f"{{ {text.strip()}\n}} > {log} 2>&1 &\n"
            script += (
                f"until grep -qs '{one.until}' {log}; do kill -0 $!; read -rt 0.1 || true; done\n"
            )
        elif one.language == "sh":
            script += text
    (folder / "page.sh").write_text(script + "\necho ALL DONE\n")
    seen = io.StringIO()
    shell = pexpect.spawn(
        "bash",
        [str(folder / "page.sh")],
        cwd=str(work),
        env={
            **environment,
            "HOME": str(folder),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{code}{os.pathsep}{ROOT}",
            "TERM": "dumb",
        },
        encoding="utf-8",
        timeout=LIMIT,
        dimensions=(50, 160),
    )
    shell.logfile_read = seen
    try:
        while shell.expect([PROMPT, pexpect.EOF]) == 0:
            shell.sendline("correct horse battery staple")
    except pexpect.TIMEOUT:
        raise AssertionError(f"not done in {LIMIT:.0f} s:\n{seen.getvalue()}") from None
    finally:
        shell.close(force=True)
    assert "ALL DONE" in seen.getvalue(), seen.getvalue()
    return seen.getvalue()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
