"""What a bunker decides, without a relay, a clock or a loop."""

from __future__ import annotations

import msgspec
import pytest

from nostr_client.bunker.answers import GivenAnswers, request_key
from nostr_client.bunker.core import OLD, AnswerNow, Farewell, Ignore, MoveClient, Perform
from nostr_client.bunker.limits import (
    ANSWERS_AT_ONCE,
    ONE_AT_ONCE,
    STRANGERS_AT_ONCE,
    StrangerCount,
    StrangerLimit,
)
from nostr_client.bunker.state import (
    MOST_INVITATIONS,
    BunkerClient,
    BunkerState,
    Invitation,
    Ruling,
)
from nostr_client.errors import InvalidData
from nostr_client.nips.nip46 import (
    BunkerFault,
    BunkerResponse,
    ClientMetadata,
    Permission,
    fault_of,
    parse_permissions,
    relays_of,
)
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from tests.bunker.asking import (
    ACCOUNT,
    BUNKER,
    CLIENT,
    HERE,
    NOW,
    OTHER,
    asked,
    connected,
    core,
    decide,
    error_of,
    invited,
    letter,
    result_of,
    to_sign,
    welcomed,
)


def perform(decision: object) -> Perform:
    assert isinstance(decision, Perform), decision
    return decision


def test_a_stranger_gets_no_answer_but_to_connect() -> None:
    bunker = core()
    for method in ("ping", "get_public_key", "sign_event", "logout", "nonsense"):
        assert isinstance(decide(bunker, asked(method), invited()), Ignore)
    no = decide(bunker, asked("connect", BUNKER.public_key.hex, "guessed"), invited())
    assert fault_of(error_of(no)) is BunkerFault.NOT_CONNECTED


def test_an_invitation_is_good_once_and_for_its_time() -> None:
    bunker, state = core(), invited(permissions="sign_event:1")
    request = asked("connect", BUNKER.public_key.hex, "s3cret")
    assert isinstance(decide(bunker, request, state, now=NOW + 601), AnswerNow)
    welcome = welcomed(decide(core(), request, state))
    assert welcome.invitation.permissions == (Permission("sign_event", "1"),)
    for over, now, words in (
        (state.used(welcome.invitation), NOW, "was used already"),
        (state.withdrawn(), NOW, "was withdrawn"),
        (state, NOW + 601, "has expired"),
        (state.pruned(NOW + 700), NOW + 701, "has expired"),
        (state.used(welcome.invitation).pruned(NOW + 4200), NOW, "none of this bunker's"),
    ):
        no = error_of(decide(core(), request, over, key=OTHER, now=now))
        assert words in no
        assert fault_of(no) is BunkerFault.NOT_CONNECTED
    assert error_of(decide(core(), asked("connect", BUNKER.public_key.hex, ""), state))
    assert "s3cret" not in repr(msgspec.json.encode(state))


def test_what_a_client_says_of_itself_is_shown_safely_and_as_hearsay() -> None:
    name = ClientMetadata(name="Ana\x1b[31m\u202eevil")
    client = BunkerClient(CLIENT.public_key.hex, NOW, HERE, name)
    assert "calls itself" in client.label
    assert "\x1b" not in client.label
    assert "\u202e" not in client.label


def test_what_is_free_is_answered() -> None:
    bunker, state = core(), connected()
    assert result_of(decide(bunker, asked("ping"), state)) == "pong"
    assert result_of(decide(bunker, asked("get_public_key"), state)) == ACCOUNT.public_key.hex
    assert result_of(decide(bunker, asked("connect", BUNKER.public_key.hex, "old"), state)) == "ack"
    assert isinstance(decide(bunker, asked("logout"), state), Farewell)
    unknown = decide(bunker, asked("make_coffee"), state)
    assert fault_of(error_of(unknown)) is BunkerFault.UNKNOWN_METHOD


def test_a_client_is_told_of_other_relays_once() -> None:
    state = connected()
    assert relays_of(result_of(decide(core(), asked("switch_relays"), state))) is None
    client = msgspec.structs.replace(state.clients[0], relays=("wss://theirs.example.com/",))
    assert isinstance(decide(core(), asked("switch_relays"), state.with_client(client)), MoveClient)
    moved = client.moved(HERE, NOW)
    assert set(moved.places(NOW)) == {*HERE, "wss://theirs.example.com/"}
    assert moved.places(NOW + 601) == HERE
    assert result_of(decide(core(), asked("switch_relays"), state.with_client(moved))) == "null"


@pytest.mark.parametrize(
    ("rules", "kind", "verdict"),
    [
        ("", 1, Ruling.ASK),
        ("sign_event:1", 1, Ruling.ALLOW),
        ("sign_event:1", 3, Ruling.ASK),
        ("sign_event", 3, Ruling.ALLOW),
        ("nip44_encrypt", 1, Ruling.ASK),
    ],
)
def test_permissions_are_by_method_and_kind(rules: str, kind: int, verdict: Ruling) -> None:
    assert connected(rules).clients[0].verdict("sign_event", kind, NOW) is verdict


def test_a_rule_for_a_kind_comes_before_one_for_all_and_ends_with_its_time() -> None:
    client = connected("sign_event").clients[0]
    client = client.ruled(parse_permissions("sign_event:3"), allow=False)
    assert client.verdict("sign_event", 3, NOW) is Ruling.REFUSE
    assert client.verdict("sign_event", 1, NOW) is Ruling.ALLOW
    client = client.ruled(parse_permissions("sign_event:3"), until=NOW + 10)
    assert client.verdict("sign_event", 3, NOW) is Ruling.ALLOW
    assert client.verdict("sign_event", 3, NOW + 10) is Ruling.ALLOW  # what holds for all
    assert len(client.pruned(NOW + 10).rules) == 1


def test_to_decrypt_is_a_permission_of_its_own() -> None:
    peer = OTHER.public_key.hex
    request = asked("nip44_decrypt", peer, "text")
    assert perform(decide(core(), request, connected("nip44_encrypt"))).ask
    allowed = perform(decide(core(), request, connected("nip44_decrypt")))
    assert (allowed.ask, allowed.peer, allowed.text) == (False, peer, "text")
    assert error_of(decide(core(), asked("nip44_decrypt", "not a key", "text"), connected()))


def test_headless_yes_counts_where_no_rule_says_no() -> None:
    bunker = core(yes_to=parse_permissions("sign_event:1"))
    assert not perform(decide(bunker, to_sign(), connected())).ask
    assert perform(decide(bunker, to_sign(kind=3), connected())).ask
    denied = connected().clients[0].ruled(parse_permissions("sign_event:1"), allow=False)
    no = decide(bunker, to_sign(), BunkerState((denied,)))
    assert fault_of(error_of(no)) is BunkerFault.DENIED


def test_the_same_request_is_worked_on_once_and_answered_alike() -> None:
    bunker, state = core(), connected("sign_event")
    request = to_sign(id="1")
    perform(decide(bunker, request, state))
    assert isinstance(decide(bunker, request, state), Ignore)  # while it is under way
    key = request_key(CLIENT.public_key.hex, request)
    bunker.answers.end(key, BunkerResponse("1", "done"))
    again = decide(bunker, request, state)
    assert isinstance(again, AnswerNow)
    assert (again.again, again.response.result) == (True, "done")
    # Programs that count anew at each start ask something else by the same id; others are others.
    perform(decide(bunker, to_sign(id="1", content="another"), state))
    perform(decide(bunker, request, connected("sign_event", key=OTHER), key=OTHER))
    # What was not answered may be asked again.
    bunker.answers.end(request_key(OTHER.public_key.hex, request), None)
    perform(decide(bunker, request, connected("sign_event", key=OTHER), key=OTHER))


@pytest.mark.parametrize("date", [NOW, None])
def test_what_was_signed_before_a_restart_is_not_signed_again(date: int | None) -> None:
    bunker, state = core(), connected("sign_event")
    request = to_sign(id="7", created_at=date)
    draft = perform(decide(bunker, request, state)).draft
    assert draft is not None
    event = draft.sign(ACCOUNT, NOW + 3)
    entry = bunker.has_signed(request_key(CLIENT.public_key.hex, request), event, NOW)
    restarted = core(signed=[entry])
    assert result_of(decide(restarted, request, state, now=NOW + 60)) == event.json.decode()
    if date is not None:  # by whatever id it is asked for
        by_another = to_sign(id="8", created_at=date)
        assert result_of(decide(restarted, by_another, state)) == event.json.decode()
    # Another client gets it when it is permitted to have it signed, and not before.
    denied = connected(key=OTHER)
    assert perform(decide(restarted, request, denied, key=OTHER)).ask
    assert "content" not in msgspec.to_builtins(entry)


def test_no_client_is_put_out_for_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nostr_client.bunker.state.MOST_CLIENTS", 1)
    state = connected("sign_event")
    assert state.with_client(state.clients[0]) == state
    with pytest.raises(InvalidData, match="revoke one first"):
        state.with_client(BunkerClient(OTHER.public_key.hex, NOW, HERE))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nostr_client.bunker.answers.MOST_BYTES", 10_000)
    monkeypatch.setattr("nostr_client.bunker.answers.MOST_SIGNED", 3)
    answers = GivenAnswers()
    keys = [request_key("c", asked("ping")) for _ in range(40)]
    for key in keys:
        assert answers.begin(key)
        answers.end(key, BunkerResponse("1", "x" * 1000))
    held = [key for key in keys if answers.given(key)]
    assert held == keys[-len(held) :]
    assert 0 < len(held) < 10
    bunker = core()
    for number in range(5):
        event = Draft(1, str(number), (), NOW).sign(ACCOUNT, NOW)
        bunker.has_signed(keys[number], event, NOW)
    assert len(bunker.signed.all()) == 3


@pytest.mark.parametrize(
    "event",
    ["[]", '{"kind":1,"tags":[[]]}', '{"kind":-1}', '{"kind":1,"pubkey":"%s"}' % ("e" * 64)],
)
def test_what_is_no_event_of_the_account_is_an_error(event: str) -> None:
    no = decide(core(), asked("sign_event", event), connected("sign_event"))
    assert fault_of(error_of(no)) is BunkerFault.INVALID


def test_old_letters_repeated_ones_and_those_to_others_are_not_read() -> None:
    bunker, state = core(), connected()
    assert bunker.admits(letter(), state, NOW)
    assert not bunker.admits(letter(), state, NOW)  # another relay brings it, too
    assert not bunker.admits(letter(at=NOW - OLD - 1), state, NOW)
    assert not bunker.admits(letter(at=NOW + OLD + 1), state, NOW)
    assert not bunker.admits(letter(kind=1), state, NOW)
    elsewhere = Draft(24133, "x", (("p", OTHER.public_key.hex),), NOW).sign(CLIENT, NOW)
    assert not bunker.admits(elsewhere, state, NOW)


def test_strangers_are_heard_while_somebody_is_invited_and_never_in_the_way() -> None:
    bunker, state = core(), connected()
    assert not bunker.admits(letter(OTHER), state, NOW)
    open_state = invited().with_client(state.clients[0])
    letters = [letter(OTHER, content=str(n)) for n in range(50)]
    heard = sum(bunker.admits(each, open_state, NOW) for each in letters)
    assert heard == ONE_AT_ONCE
    limit = StrangerLimit()
    taken = sum(limit.admits(f"{n:064x}", float(NOW)) for n in range(2000))
    assert taken == STRANGERS_AT_ONCE
    assert limit.admits("f" * 64, NOW + 1.0)
    assert bunker.admits(letter(content="known"), open_state, NOW)


def test_who_comes_with_a_spent_code_is_heard_for_a_while() -> None:
    opened = invited()
    used = opened.used(opened.invitations[0])
    assert core().admits(letter(OTHER), used, NOW)
    assert used.code_relays(NOW) == list(HERE)
    assert not core().admits(letter(OTHER, NOW + 4200), used, NOW + 4200)
    assert used.code_relays(NOW + 4200) == []
    many = opened
    for number in range(40):
        many = many.used(many.invitations[0]).invited(Invitation.of(str(number), NOW, HERE), NOW)
    assert len(many.spent) == MOST_INVITATIONS


def test_guessers_are_answered_within_bounds_and_keep_no_answer_from_others() -> None:
    bunker, opened = core(), invited()
    used = opened.used(opened.invitations[0])
    keep = request_key(CLIENT.public_key.hex, asked("ping", id="kept"))
    assert bunker.answers.begin(keep)
    bunker.end(keep, BunkerResponse("kept", "pong"), connected())

    def come(code: str, now: int = NOW) -> bool:
        request = asked("connect", BUNKER.public_key.hex, code)
        decision = decide(bunker, request, used, key=OTHER, now=now)
        if isinstance(decision, Ignore):
            return False
        bunker.end(request_key(OTHER.public_key.hex, request), None, used)
        return isinstance(decision, AnswerNow)

    assert sum(come(f"guess {number}") for number in range(300)) == ANSWERS_AT_ONCE
    assert sum(come("s3cret") for _ in range(50)) == ANSWERS_AT_ONCE
    assert [come("guess", NOW + 1), come("guess", NOW + 1)] == [True, False]
    # What clients were told, and what of theirs was read, stays.
    assert bunker.answers.given(keep) is not None


def test_letters_of_strangers_push_none_of_a_client_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nostr_client.bunker.core.SEEN", 3)
    bunker, state = core(), invited().with_client(connected().clients[0])
    assert bunker.admits(letter(), state, NOW)
    for number in range(4):
        assert bunker.admits(letter(OTHER, content=str(number)), state, NOW)
    assert not bunker.admits(letter(), state, NOW)


def test_strangers_are_told_of_once_a_minute() -> None:
    count, lines = StrangerCount(), []
    for second in range(600):
        for _ in range(50):
            count.add()
        lines.append(count.taken(float(NOW + second)))
    told = [number for number in lines if number]
    assert told == [50, *[3000] * 9]


def test_who_is_revoked_is_a_stranger() -> None:
    bunker, state = core(), connected("sign_event")
    perform(decide(bunker, to_sign(), state))
    gone = state.without(CLIENT.public_key.hex)
    assert isinstance(decide(bunker, to_sign(), gone), Ignore)
    assert not bunker.admits(letter(SecretKey.from_hex("c3" * 32)), gone, NOW)


def test_who_was_revoked_is_told_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    bunker, state = core(), connected("sign_event").revoking(CLIENT.public_key.hex)
    letters = [letter(content=str(number)) for number in range(50)]
    assert sum(bunker.admits(each, state, NOW) for each in letters) == ONE_AT_ONCE
    assert not bunker.admits(letter(OTHER), state, NOW)
    told = [decide(bunker, to_sign(), state) for _ in range(50)]
    assert sum(isinstance(each, AnswerNow) for each in told) == ANSWERS_AT_ONCE
    assert "revoked" in error_of(told[0])
    monkeypatch.setattr("nostr_client.bunker.state.MOST_CLIENTS", 2)
    for number in range(5):
        state = state.revoking(f"{number:064x}")
    assert len(state.revoked) == 2
