"""HTTP requests that the account signs (NIP-98): `nostr-client curl`, and `admin` (NIP-86)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from nostr_client.cli.command import ASKING, add_command
from nostr_client.cli.protocol.relay_arguments import relay_given
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.net.http import Response

LIMIT: Final = 30.0
"""Seconds for an answer, unless `--timeout` says otherwise."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of a body, either way."""
RPC_TYPE: Final = "application/nostr+json+rpc"
_WALLS: Final = (401, 403)


def curl(
    context: ClientContext,
    url: Annotated[str, Argument(metavar="URL", help="https://host/path")],
    *,
    method: Annotated[
        str, Option("--request", "METHOD", "GET, or POST where there is data.", short="-X")
    ] = "",
    data: Annotated[
        str, Option("--data", "TEXT", "The body; - reads it from standard input.", short="-d")
    ] = "",
    type_: Annotated[str, Option("--type", "TYPE", "What the body is.")] = "application/json",
    header: Annotated[
        bool, Option("--header", help="Print the Authorization header, and ask nobody.")
    ] = False,
) -> None:
    """Make an HTTP request signed by your key (NIP-98), and print the body of the answer."""
    body = _body(data)
    verb = (method or ("GET" if body is None else "POST")).upper()
    if not (verb.isascii() and verb.isalpha()):
        raise CommandError("a method is a word, as GET", Exit.USAGE)
    if not url.lower().startswith(("https://", "http://")):
        raise CommandError(
            "an address begins with https://, or http:// within a network", Exit.USAGE
        )
    if not header:
        _refuse_clear(url)
    value = _signed(context, url, verb, body)
    if header:
        context.out.emit({"authorization": value}, f"Authorization: {value}")
        return
    headers = {"Authorization": value} | ({"Content-Type": type_} if body is not None else {})
    answer = wait_for(_send(context, url, verb, body, headers))
    if context.json:
        context.out.emit(_record(url, answer), "")
    else:
        _write(answer.body)
    context.exit_code = _code_of(answer.status)
    if context.exit_code != Exit.DONE and not context.json:
        context.out.fault(f"the server answered with status {answer.status}")


def admin(
    context: ClientContext,
    url: Annotated[str, Argument(metavar="URL", help="wss://relay.example")],
    method: Annotated[
        str, Argument(metavar="METHOD", help="As supportedmethods, which lists them, or banpubkey.")
    ] = "supportedmethods",
    params: Annotated[
        list[str] | None,
        Argument(metavar="[PARAM]...", help="JSON, a text, or an npub or note1, given in hex."),
    ] = None,
) -> None:
    """Call a method of a relay's management (NIP-86), signed by your key."""
    import msgspec

    address = "http" + relay_given(url).removeprefix("ws")
    _refuse_clear(address)
    call = {"method": method, "params": [_param(text) for text in params or ()]}
    body = msgspec.json.encode(call)
    value = _signed(context, address, "POST", body)
    headers = {"Authorization": value, "Content-Type": RPC_TYPE}
    answer = wait_for(_send(context, address, "POST", body, headers))
    result = _result(answer)
    lines = result if isinstance(result, list) else [result]
    context.out.emit({"relay": address, "method": method, "result": result}, _shown(lines))


def _body(data: str) -> bytes | None:
    if data != "-":
        return data.encode() if data else None
    body = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise CommandError(f"a body has at most {MOST_BYTES} bytes", Exit.USAGE)
    return body


def _signed(context: ClientContext, url: str, method: str, body: bytes | None) -> str:
    """The header's value. Raises SignerError, CommandError."""
    from nostr_client.nips import nip98

    signer = context.signer()

    async def sign() -> str:
        async with signer as inside:
            return nip98.authorization(await inside.sign(nip98.request(url, method, body)))

    return wait_for(sign())


def _refuse_clear(url: str) -> None:
    """A signature counts for a minute for whoever reads it on the way. Raises CommandError."""
    from nostr_client.protocol.urls import host_of, is_onion, is_private_host, normalize_relay_url

    scheme, _, rest = url.partition("://")
    target = normalize_relay_url(f"ws://{rest}")
    if scheme.lower() == "http" and not is_onion(target) and not is_private_host(host_of(target)):
        raise CommandError("http:// would show what is signed to anybody on the way", Exit.USAGE)


async def _send(
    context: ClientContext,
    url: str,
    method: str,
    body: bytes | None,
    headers: Mapping[str, str],
) -> Response:
    """Raises CommandError where there is no answer, InvalidData."""
    from nostr_client.errors import RelayError
    from nostr_client.net import http
    from nostr_client.net.dial import DialOptions

    try:
        return await http.send(
            method,
            url,
            DialOptions.through(context.config.proxy, private=True),
            body=body or b"",
            headers=headers,
            timeout=context.timeout or LIMIT,
            max_bytes=MOST_BYTES,
        )
    except RelayError as error:
        raise CommandError(str(error), Exit.NO_ANSWER) from error


def _record(url: str, answer: Response) -> dict[str, Any]:
    """Text as text, and what is none as base64."""
    import base64

    record: dict[str, Any] = {"url": url, "status": answer.status, "headers": dict(answer.headers)}
    try:
        return {**record, "body": answer.body.decode(), "base64": False}
    except UnicodeDecodeError:
        return {**record, "body": base64.b64encode(answer.body).decode(), "base64": True}


def _write(body: bytes) -> None:
    """The bytes as they came, into a pipe or a file; a terminal gets them as safe text, which ends
    its line, once."""
    from nostr_client.output import write_line
    from nostr_client.safe_text import safe_text

    if sys.stdout.isatty():
        text = safe_text(body.decode("utf-8", "replace"))
        write_line(sys.stdout, text.removesuffix("\n"))
    else:
        sys.stdout.buffer.write(body)


def _code_of(status: int) -> Exit:
    if status < 400:
        return Exit.DONE
    codes = {404: Exit.NOT_FOUND, 410: Exit.NOT_FOUND, **dict.fromkeys(_WALLS, Exit.NOT_ALLOWED)}
    return codes.get(status, Exit.NOT_ACCEPTED)


def _param(text: str) -> Any:
    """JSON where it is some; a code that names a person or an event is its hex. Raises InvalidCode
    for a secret key, CommandError."""
    import msgspec

    from nostr_client.errors import InvalidCode
    from nostr_client.nips import nip19

    if text.lower().startswith(("npub1", "nprofile1", "nsec1")):
        return nip19.pubkey_of(text)
    if text.lower().startswith(("note1", "nevent1")):
        return nip19.event_of(text).id
    if text.lower().startswith("ncryptsec1"):
        raise InvalidCode("this is a key: it is not sent anywhere")
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return text


def _result(answer: Response) -> Any:
    """What a call came to. Raises CommandError where it was refused, or the answer is none."""
    import msgspec

    from nostr_client.safe_text import safe_line

    try:
        found = msgspec.json.decode(answer.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = {}
    words = safe_line(str(found.get("error") or ""), 300)
    if answer.status in _WALLS:
        raise CommandError(words or f"not allowed (status {answer.status})", Exit.NOT_ALLOWED)
    if words:
        raise CommandError(f"refused: {words}", Exit.NOT_ACCEPTED)
    if answer.status != 200 or "result" not in found:
        words = f"this is no relay that is managed so (NIP-86): status {answer.status}"
        raise CommandError(words, Exit.NOT_FOUND)
    return found["result"]


def _shown(values: list[Any]) -> str:
    """A line for each."""
    from nostr_client.output import json_line

    return "\n".join(value if isinstance(value, str) else json_line(value) for value in values)


def add_to(root: Group) -> None:
    """They stand at the top level."""
    add_command(root, "curl", curl, ASKING)
    add_command(root, "admin", admin, ASKING)
