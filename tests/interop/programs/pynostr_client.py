"""pynostr as a client. It sends only when something was received, and ends at EOSE: so each
question has a connection of its own, and what is published is sent with one."""

import asyncio
import queue
import threading
import uuid

from lines import Lacks, serve
from pynostr.event import Event
from pynostr.filters import Filters, FiltersList
from pynostr.relay_manager import RelayManager

WAIT = 10


def filters(plain):
    """As its own `Filters` has it."""
    if "search" in plain:
        raise Lacks("Its filters have no search.")
    fields = {name: value for name, value in plain.items() if not name.startswith("#")}
    made = Filters(**fields)
    for name, values in plain.items():
        if name.startswith("#"):
            made.add_arbitrary_tag(name[1:], values)
    return FiltersList([made])


class Verbs:
    async def connect(self, url, key):
        self.url, self.key = url, key
        self.news = queue.Queue()

    async def _met(self, ready, ended, *, lasting=False):
        """A connection of its own on a loop of its own: `ready` puts into it what is sent, and what
        comes goes to `ended`, until that is true."""
        done, answered = threading.Event(), []

        def work():
            asyncio.set_event_loop(asyncio.new_event_loop())
            manager = RelayManager(timeout=0 if lasting else WAIT)

            def came(message):
                if ended(message):
                    answered.append(message)
                    done.set()
                    relay.connected = lasting

            manager.add_relay(self.url, close_on_eose=False, message_callback=came)
            relay = manager.relays[self.url]
            relay.timeout = manager.timeout
            ready(relay)
            manager.run_sync()
            done.set()

        threading.Thread(target=work, daemon=True).start()
        if not await asyncio.to_thread(done.wait, WAIT) or not answered:
            raise RuntimeError("no answer came")

    async def write(self, draft):
        event = Event(**draft)
        event.sign(self.key)
        return {"event": event.to_dict(), **await self._send(event)}

    async def send(self, event):
        given = dict(event)
        given.pop("id")
        return await self._send(Event(**given))

    async def _send(self, event):
        told = []

        def ended(message):
            if message[0] == "OK" and message[1] == event.id:
                told.append(message)
            return bool(told)

        await self._met(lambda relay: relay.publish(event.to_message()), ended)
        _, _, accepted, message = told[0]
        if message.startswith("auth-required:"):
            raise Lacks("It prints what a relay asks (NIP-42), and does not answer.")
        return {"accepted": accepted, "message": message}

    async def query(self, filter):
        asked, found = filters(filter), []

        def ended(message):
            if message[0] == "EVENT":
                found.append(message[2])
            return message[0] == "EOSE"

        await self._met(lambda relay: relay.add_subscription(uuid.uuid4().hex, asked), ended)
        return found

    async def listen(self, filter):
        asked, stored = filters(filter), threading.Event()

        def ended(message):
            if message[0] == "EVENT" and stored.is_set():
                self.news.put(message[2])
            elif message[0] == "EOSE":
                stored.set()
            return stored.is_set()

        def ready(relay):
            relay.add_subscription("live", asked)

        await self._met(ready, ended, lasting=True)

    async def heard(self):
        return await asyncio.to_thread(self.news.get)

    async def count(self, filter):
        asked, counts = filters(filter), []

        def ready(relay):
            relay.add_subscription("counted", asked)
            relay.add_nip45_count("counted")

        def ended(message):
            if message[0] == "COUNT":
                counts.append(message[2]["count"])
            return bool(counts)

        await self._met(ready, ended)
        return counts[0]

    async def reconcile(self, **_):
        raise Lacks("It has no negentropy.")

    async def write_message(self, **_):
        raise Lacks("Its messages are those of NIP-04.")

    async def sign_by(self, **_):
        raise Lacks("It has no NIP-46.")


asyncio.run(serve(Verbs()))
