"""monstr as a client."""

import asyncio
import json

from lines import Lacks, serve
from monstr.client.client import Client, QueryTimeoutException
from monstr.encrypt import Keys
from monstr.event.event import Event
from monstr.giftwrap import GiftWrap
from monstr.signing.nip46 import NIP46Signer
from monstr.signing.signing import BasicKeySigner


class Verbs:
    async def connect(self, url, key):
        self.keys = Keys(priv_k=key)
        self.signer = BasicKeySigner(self.keys)
        self.told, self.known = {}, asyncio.Event()
        self.news, self.bunker = asyncio.Queue(), None
        self.client = Client(url, on_ok=self._ok, on_auth=self._auth)
        self.running = asyncio.create_task(self.client.run())
        await self.client.wait_connect(10)

    def _ok(self, client, event_id, accepted, message):
        if event_id in self.told:
            self.told[event_id].set_result((accepted, message))
        else:
            self.known.set()  # of an AUTH, whose id nobody here is told

    def _auth(self, client, challenge):
        self.signing_in = asyncio.create_task(client.auth(self.keys, challenge))

    async def write(self, draft):
        event = Event(
            kind=draft["kind"],
            content=draft["content"],
            tags=draft["tags"],
            created_at=draft["created_at"],
            pub_key=self.keys.public_key_hex(),
        )
        await self.signer.sign_event(event)
        return {"event": event.data(), **await self._send(event)}

    async def send(self, event):
        return await self._send(Event.load(event))

    async def _send(self, event):
        accepted, message = await self._answer(event)
        if message.startswith("auth-required:"):
            await self.known.wait()
            accepted, message = await self._answer(event)
        return {"accepted": accepted, "message": message}

    async def _answer(self, event):
        self.told[event.id] = asyncio.get_running_loop().create_future()
        self.client.publish(event)
        return await asyncio.wait_for(self.told[event.id], 10)

    async def query(self, filter):
        return [event.data() for event in await self._stored(filter)]

    async def _stored(self, filter):
        """It hears no CLOSED: what was asked before it signed in is asked again."""
        try:
            return await self.client.query(filter, timeout=2)
        except QueryTimeoutException:
            return await self.client.query(filter)

    async def listen(self, filter):
        stored = asyncio.Event()
        self.client.subscribe(
            handlers=[lambda client, sub, event: self.news.put_nowait(event)],
            filters=filter,
            eose_func=lambda client, sub, events: stored.set(),
        )
        await stored.wait()

    async def heard(self):
        return (await self.news.get()).data()

    async def count(self, filter):
        raise Lacks("Its client has no COUNT.")

    async def reconcile(self, filter, held):
        raise Lacks("Its client has no negentropy.")

    async def write_message(self, to, text):
        message = Event(kind=14, content=text, tags=[["p", to]])
        wrap, _ = await GiftWrap(self.signer).wrap(message, to)
        told = await self._send(wrap)
        if not told["accepted"]:
            raise RuntimeError(told["message"])

    async def read_messages(self):
        mine = {"kinds": [1059], "#p": [self.keys.public_key_hex()]}
        wraps = await self._stored(mine)
        rumors = [await GiftWrap(self.signer).unwrap(wrap) for wrap in wraps]
        return [(rumor.pub_key, rumor.content) for rumor in rumors]

    async def sign_by(self, uri, draft):
        if self.bunker is None:
            self.bunker = NIP46Signer(uri, auto_start=True)
        event = Event.load(json.dumps(draft))
        event.pub_key = await self.bunker.get_public_key()
        await self.bunker.sign_event(event)
        return event.data()


asyncio.run(serve(Verbs()))
