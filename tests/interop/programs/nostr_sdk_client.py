"""nostr-sdk (Rust, by its Python bindings) as a client."""

import asyncio
import json
from datetime import timedelta

import nostr_sdk as sdk
from lines import Lacks, serve

WAIT = timedelta(seconds=10)


class MemoryDatabase(sdk.NostrDatabase):
    """The bindings carry no database that keeps events, and take one that is written in Python."""

    def __init__(self):
        self.held = {}

    def backend(self):
        return "memory"

    def features(self):
        return sdk.NostrDatabaseFeatures(
            persistent=False,
            event_expiration=False,
            full_text_search=False,
            request_to_vanish=False,
        )

    async def save_event(self, event):
        self.held[event.id().to_hex()] = event
        return sdk.SaveEventStatus.success()

    async def check_id(self, event_id):
        saved = event_id.to_hex() in self.held
        return sdk.DatabaseEventStatus.SAVED if saved else sdk.DatabaseEventStatus.NOT_EXISTENT

    async def event_by_id(self, event_id):
        return self.held.get(event_id.to_hex())

    async def count(self, filter):
        return len(await self.query(filter))

    async def query(self, filter):
        return [event for event in self.held.values() if filter.match_event(event)]


class Verbs:
    async def connect(self, url, key):
        self.url, self.keys = sdk.RelayUrl.parse(url), sdk.Keys.parse(key)
        sdk.uniffi_set_event_loop(asyncio.get_running_loop())  # in which keys and database answer
        self.database = MemoryDatabase()
        builder = sdk.ClientBuilder().authenticator(sdk.SignerAuthenticator(self.keys))
        self.client = builder.database(self.database).build()
        await self.client.add_relay(self.url)
        await self.client.connect(WAIT)
        self.remote = None

    def _signed(self, draft, keys=None):
        builder = sdk.EventBuilder(sdk.Kind(draft["kind"]), draft["content"])
        builder = builder.tags([sdk.Tag.parse(tag) for tag in draft["tags"]])
        return builder.custom_created_at(sdk.Timestamp.from_secs(draft["created_at"]))

    async def write(self, draft):
        event = self._signed(draft).finalize(self.keys)
        return {"event": json.loads(event.as_json()), **await self._send(event)}

    async def send(self, event):
        return await self._send(sdk.Event.from_json(json.dumps(event)))

    async def _send(self, event):
        output = await self.client.send_event(event)
        return {"accepted": bool(output.success), "message": "".join(output.failed.values())}

    async def query(self, filter):
        events = await self.client.fetch_events(self._target(filter), WAIT)
        return [json.loads(event.as_json()) for event in events]

    def _target(self, filter):
        return sdk.ReqTarget.auto([sdk.Filter.from_json(json.dumps(filter))])

    async def listen(self, filter):
        self.news = self.client.notifications()
        await self.client.subscribe(self._target(filter))
        await self._next("EOSE")

    async def _next(self, sort):
        while True:
            notification = await self.news.next()
            if notification.is_MESSAGE():
                frame = json.loads(notification.message.as_json())
                if frame[0] == sort:
                    return frame

    async def heard(self):
        return (await self._next("EVENT"))[2]

    async def count(self, filter):
        raise Lacks("Its Python bindings have no COUNT.")

    async def reconcile(self, filter, held):
        for event in held:
            await self.database.save_event(sdk.Event.from_json(json.dumps(event)))
        asked = sdk.Filter.from_json(json.dumps(filter))
        options = sdk.SyncOptions().direction(sdk.SyncDirection.BOTH)
        await self.client.sync(asked, [self.url], options)
        return [event.id().to_hex() for event in await self.database.query(asked)]

    async def write_message(self, to, text):
        wrap = sdk.nip17_make_private_msg(self.keys, sdk.PublicKey.parse(to), text)
        told = await self._send(wrap)
        if not told["accepted"]:
            raise RuntimeError(told["message"])

    async def read_messages(self):
        mine = sdk.Filter().kind(sdk.Kind(1059)).pubkey(self.keys.public_key())
        wraps = await self.client.fetch_events(sdk.ReqTarget.auto([mine]), WAIT)
        gifts = [sdk.UnwrappedGift.from_gift_wrap(self.keys, wrap) for wrap in wraps]
        return [(gift.sender().to_hex(), gift.rumor().content()) for gift in gifts]

    async def sign_by(self, uri, draft):
        if self.remote is None:
            parsed = sdk.NostrConnectUri.parse(uri)
            self.remote = sdk.NostrConnect(parsed, sdk.Keys.generate(), WAIT, None)
        account = await self.remote.get_public_key_async()
        unsigned = self._signed(draft).finalize_unsigned(account)
        return json.loads((await self.remote.sign_event_async(unsigned)).as_json())


asyncio.run(serve(Verbs()))
