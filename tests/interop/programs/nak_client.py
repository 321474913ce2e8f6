"""nak, a program for the command line: `nak_client.py NAK`. Each verb is a command of it."""

import asyncio
import json
import os
import sys
import time

from lines import Lacks, serve


class Verbs:
    async def connect(self, url, key):
        self.url, self.key = url, key
        self.me = (await self._nak("key", "public", given=key)).strip()

    async def _run(self, *words, given="", key=None):
        pipe = asyncio.subprocess.PIPE
        environment = os.environ | {"NOSTR_SECRET_KEY": key or self.key}
        program = await asyncio.create_subprocess_exec(
            sys.argv[1], *words, env=environment, stdin=pipe, stdout=pipe, stderr=pipe
        )
        out, err = await program.communicate(f"{given}\n".encode())
        return program.returncode, out.decode(), err.decode()

    async def _nak(self, *words, given="", key=None):
        code, out, err = await self._run(*words, given=given, key=key)
        if code:
            raise RuntimeError(err.strip().splitlines()[-1])
        return out

    async def write(self, draft):
        return await self._publish(draft)

    async def send(self, event):
        return await self._publish(event)

    async def _publish(self, event):
        code, out, err = await self._run("event", "--auth", self.url, given=json.dumps(event))
        message = (err.strip().splitlines() or [""])[-1]
        return {"event": json.loads(out), "accepted": not code, "message": message}

    async def query(self, filter):
        out = await self._nak("req", "--auth", self.url, given=json.dumps(filter))
        return [json.loads(line) for line in out.splitlines()]

    async def listen(self, filter):
        stored = await self.query(filter)
        pipe = asyncio.subprocess.PIPE
        self.stream = await asyncio.create_subprocess_exec(
            *(sys.argv[1], "req", "--stream", self.url),
            stdin=pipe,
            stdout=pipe,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self.stream.stdin.write(f"{json.dumps(filter)}\n".encode())
        self.stream.stdin.close()
        for _ in stored:
            await self.stream.stdout.readline()

    async def heard(self):
        return json.loads(await self.stream.stdout.readline())

    async def count(self, filter):
        _, _, err = await self._run("count", self.url, given=json.dumps(filter))
        return int(err.strip().rpartition(" ")[2])

    async def reconcile(self, **_):
        raise Lacks("It compares a file with a relay one way only, and two relays both ways.")

    async def write_message(self, to, text):
        """NIP-17 step by step: its own command for it looks for keys on relays elsewhere."""
        now = int(time.time())
        rumor = {"kind": 14, "content": text, "tags": [["p", to]], "created_at": now}
        unsigned = await self._nak("event", "--no-sign", "-a", self.me, given=json.dumps(rumor))
        rumor = json.loads(unsigned) | {"pubkey": self.me}
        rumor.pop("sig", None)
        content = await self._nak("encrypt", "-p", to, json.dumps(rumor))
        seal = {"kind": 13, "content": content.strip(), "tags": [], "created_at": now}
        seal = await self._nak("event", given=json.dumps(seal))
        once = (await self._nak("key", "generate")).strip()
        content = await self._nak("encrypt", "-p", to, seal.strip(), key=once)
        wrap = {"kind": 1059, "content": content.strip(), "tags": [["p", to]], "created_at": now}
        await self._nak("event", self.url, given=json.dumps(wrap), key=once)

    async def read_messages(self):
        letters = []
        for wrap in await self.query({"kinds": [1059], "#p": [self.me]}):
            seal = json.loads(await self._nak("decrypt", "-p", wrap["pubkey"], wrap["content"]))
            inner = await self._nak("decrypt", "-p", seal["pubkey"], seal["content"])
            letters.append((seal["pubkey"], json.loads(inner)["content"]))
        return letters

    async def sign_by(self, uri, draft):
        # Here alone a code is an argument: nak takes it no other way.
        words = ("event", "--sec", uri, "--connect-as", "3" * 64)
        return json.loads(await self._nak(*words, given=json.dumps(draft)))


asyncio.run(serve(Verbs()))
