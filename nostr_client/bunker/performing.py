"""What a bunker does about a request once the core has decided: welcome, farewell, sign, encrypt,
decrypt; and asks its person where the rules do not say.

The file of clients is looked at once more when the person has answered, who may have taken a while:
a revocation counts at once. What was signed is on disk before it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from nostr_client.bunker.answers import event_id, request_key
from nostr_client.bunker.core import (
    NEW_CODE,
    AnswerNow,
    BunkerCore,
    Farewell,
    MoveClient,
    Perform,
    Welcome,
)
from nostr_client.bunker.files import BunkerFiles
from nostr_client.bunker.questions import HOUR, Consented, Question, Questions
from nostr_client.bunker.state import BunkerClient, BunkerState, CodeEnd, Ruling
from nostr_client.errors import (
    DecryptionFailed,
    InvalidData,
    NotConfirmed,
    SignerError,
    SignerUnavailable,
    StoreError,
)
from nostr_client.nips.nip46 import ACK, BunkerFault, BunkerMethod, BunkerRequest, BunkerResponse
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.signing.guards import Guarded, Objection

Notice = Callable[[str], None]
"""Told what the person may like to know, in words that are safe to print."""
Decided = AnswerNow | Welcome | Farewell | MoveClient | Perform


class Performer:
    """Carries out what `core` decides, with the account's `signer`, behind its guards.

    `aside` starts what nobody waits for.
    """

    def __init__(
        self,
        core: BunkerCore,
        files: BunkerFiles,
        signer: Guarded,
        *,
        questions: Questions,
        notice: Notice,
        aside: Callable[[Coroutine[Any, Any, None]], None],
        clock: Callable[[], float],
    ) -> None:
        self._core = core
        self._files = files
        self._signer = signer
        self._questions = questions
        self._notice = notice
        self._aside = aside
        self._clock = clock
        self._signing: dict[str, asyncio.Lock] = {}
        self.changed = asyncio.Event()
        """Set when the clients are others than before."""

    async def carry_out(
        self,
        decision: Decided,
        client: str,
        request: BunkerRequest,
        state: BunkerState,
    ) -> BunkerResponse:
        try:
            match decision:
                case AnswerNow(response):
                    return response
                case Welcome():
                    return await self._welcome(decision, client, request)
                case Farewell():
                    await self._files.change(lambda held: held.without(client))
                    self.changed.set()
                    self._notice(f"{_label(state, client)} logged out")
                    return BunkerResponse(request.id, ACK)
                case MoveClient():
                    relays, now = self._core.relays, int(self._clock())
                    await self.change_client(client, lambda held: held.moved(relays, now))
                    return BunkerResponse(request.id, msgspec.json.encode(relays).decode())
                case Perform():
                    return await self._perform(decision, client, request)
        except StoreError as error:
            self._notice(str(error))
            return _fault(request, BunkerFault.LATER, "the bunker's own files cannot be used")
        except DecryptionFailed as error:
            return _fault(request, BunkerFault.CANNOT_DECRYPT, str(error))
        except SignerUnavailable as error:
            return _fault(request, BunkerFault.LATER, str(error))
        except NotConfirmed as error:  # what else was asked with is not the client's to know
            return _fault(request, BunkerFault.DENIED, error.objection.words)
        except SignerError as error:
            return _fault(request, BunkerFault.DENIED, str(error))
        except InvalidData as error:
            return _fault(request, BunkerFault.INVALID, str(error))

    async def _welcome(
        self, welcome: Welcome, client: str, request: BunkerRequest
    ) -> BunkerResponse:
        """The invitation is used up, on disk, before anything is said to it."""
        now = int(self._clock())
        params, invitation = welcome.params, welcome.invitation
        used = False

        def join(state: BunkerState) -> BunkerState:
            nonlocal used
            open_still = state.invitation(params.secret, now)
            used = open_still is None
            if open_still is None:
                return state
            joined = BunkerClient(client, now, invitation.relays, params.metadata)
            joined = joined.ruled(invitation.permissions)
            return state.pruned(now).used(invitation).with_client(joined)

        state = await self._files.change(join)
        held = state.client(client)
        if used or held is None:
            words = f"this code {CodeEnd.USED.value}: {NEW_CODE}"
            return _fault(request, BunkerFault.NOT_CONNECTED, words)
        self.changed.set()
        self._notice(f"{held.label} is connected")
        asked = [
            one
            for one in params.permissions
            if held.verdict(one.method, one.kind, now) is Ruling.ASK
            and not self._core.says_yes(one.method, one.kind)
        ]
        if asked:
            question = Question(held, tuple(asked), connecting=True)
            self._aside(self._ask_for_all(question))
        return BunkerResponse(request.id, ACK)

    async def _ask_for_all(self, question: Question) -> None:
        await self._questions.put(question, keep=self._keep_rule)

    async def _perform(self, what: Perform, client: str, request: BunkerRequest) -> BunkerResponse:
        if (
            what.ask
            and not _is_asked_about(what.draft)
            and (no := await self._refusal(what, client))
        ):
            return _fault(request, *no)
        held = self._files.state().client(client)  # the person may have taken a while
        if held is None:
            return _fault(request, BunkerFault.NOT_CONNECTED, "it is connected no longer")
        signer = self._signer
        match what.method:
            case BunkerMethod.SIGN_EVENT:
                event = await self._sign(what, held, request)
                return BunkerResponse(request.id, event.json.decode())
            case BunkerMethod.NIP44_ENCRYPT:
                result = await signer.nip44_encrypt(what.peer, what.text)
            case BunkerMethod.NIP44_DECRYPT:
                result = await signer.nip44_decrypt(what.peer, what.text)
            case BunkerMethod.NIP04_ENCRYPT:
                result = await signer.nip04_encrypt(what.peer, what.text)
            case _:
                result = await signer.nip04_decrypt(what.peer, what.text)
        return BunkerResponse(request.id, result)

    async def _sign(self, what: Perform, held: BunkerClient, request: BunkerRequest) -> Event:
        """Signed behind the guards, once, and on disk before it is returned."""
        draft, key = what.draft or Draft(0), request_key(held.pubkey, request)

        async def consent(draft: Draft, objection: Objection) -> bool:
            question = Question(held, (what.permission,), draft=draft, objection=objection)
            answer = await self._questions.put(question)
            return answer.is_yes and self._files.state().client(held.pubkey) is not None

        id = event_id(draft, self._signer.pubkey)
        async with self._signing.setdefault(id, asyncio.Lock()) if id else asyncio.Lock():
            try:  # the same event in two requests is signed once, too
                before = self._core.signed.event(draft, self._signer.pubkey, key)
                if before is not None:
                    return before
                event = await self._signer.asking(consent).sign(draft)
                entry = self._core.has_signed(key, event, int(self._clock()))
                await asyncio.to_thread(self._files.add_signed, entry, self._core.signed.all())
            finally:
                self._signing.pop(id, None)
        return event

    # The person

    async def _refusal(self, what: Perform, client: str) -> tuple[BunkerFault, str] | None:
        """Ask; None for a yes, else what the client is told."""
        kind = what.draft.kind if what.draft else None

        def settled() -> Consented | None:
            held = self._files.state().client(client)
            if held is None:
                return Consented.NO
            verdict = held.verdict(what.method, kind, int(self._clock()))
            if verdict is Ruling.ASK:
                return None
            return Consented.YES if verdict is Ruling.ALLOW else Consented.NO

        held = self._files.state().client(client)
        if held is None:
            return BunkerFault.NOT_CONNECTED, ""
        question = Question(
            held, (what.permission,), draft=what.draft, peer=what.peer, text=what.text
        )
        answer = await self._questions.put(question, settled, self._keep_rule)
        if answer.is_yes:
            return None
        if answer in (Consented.SILENT, Consented.BUSY):
            return BunkerFault.LATER, answer.value
        words = "the person said no" if answer is not Consented.NOBODY else answer.value
        return BunkerFault.DENIED, f"{what.permission}: {words}"

    async def _keep_rule(self, question: Question, answer: Consented) -> None:
        lasting = (Consented.ALWAYS, Consented.HOUR, Consented.NEVER)
        if answer in lasting or (question.connecting and answer is Consented.YES):
            until = int(self._clock()) + HOUR if answer is Consented.HOUR else 0
            await self.change_client(
                question.client.pubkey,
                lambda held: held.ruled(question.permissions, allow=answer.is_yes, until=until),
            )

    async def change_client(
        self, pubkey: str, change: Callable[[BunkerClient], BunkerClient]
    ) -> None:
        """Whoever was revoked meanwhile stays it."""

        def changed(state: BunkerState) -> BunkerState:
            held = state.client(pubkey)
            return state if held is None else state.with_client(change(held))

        await self._files.change(changed)
        self.changed.set()


def _is_asked_about(draft: Draft | None) -> bool:
    """Does a guard ask about it in any case? One question is enough, and none offers "always"."""
    return draft is not None and draft.kind == kinds.VANISH


def _label(state: BunkerState, client: str) -> str:
    held = state.client(client)
    return held.label if held else client[:12]


def _fault(request: BunkerRequest, fault: BunkerFault, words: str) -> BunkerResponse:
    return BunkerResponse(request.id, error=fault.said(words))
