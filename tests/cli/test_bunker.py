"""`nostr-client bunker` as a script meets it."""

from __future__ import annotations

from nostr_client.exits import Exit
from nostr_client.nips.nip46 import BunkerUri, NostrConnectUri, parse_permissions
from tests.cli.conftest import DEAD, Home

CLIENT = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"


async def test_codes_clients_and_their_end(home: Home) -> None:
    await home.run("account", "create", "--name", "ana", "--no-profile")
    made = await home.run("bunker", "invite", "--relay", DEAD, "--json")
    uri = BunkerUri.parse(made.record["uri"])
    kept = b"".join(path.read_bytes() for path in home.folder.rglob("*") if path.is_file())
    assert uri.secret
    assert uri.secret.encode() not in kept
    wrong = await home.run("bunker", "invite", "--perms", "sign_event:1,make_coffee")
    assert wrong.code == Exit.USAGE
    wanted = parse_permissions("sign_event:1,nip44_decrypt")
    code = NostrConnectUri(CLIENT, (f"{DEAD}/",), "s", wanted).format()
    met = await home.run("bunker", "connect", "--yes-to", "sign_event", "--json", given=code)
    assert [rule["permission"] for rule in met.record["rules"]] == ["sign_event:1"]
    assert (await home.run("bunker", "list", "--json")).record == met.record
    assert (await home.run("bunker", "revoke", CLIENT[:8], "--json")).record == {"revoked": CLIENT}
