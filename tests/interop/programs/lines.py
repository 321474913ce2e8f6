"""The loop of a Python program that speaks for a client: one JSON object a line, each answered."""

import asyncio
import json
import sys
import traceback


class Lacks(Exception):
    """The library does not offer this."""


async def lines():
    """What comes on standard input, decoded."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        yield json.loads(line)


async def serve(verbs):
    """Answer with what the coroutine of that name in `verbs` returns, until the input ends."""
    out, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    async for asked in lines():
        verb = getattr(verbs, asked.pop("do"), None)
        try:
            if verb is None:
                raise Lacks("The library has nothing for it.")
            answer = {"ok": await verb(**asked)}
        except Lacks as why:
            answer = {"lacks": str(why)}
        except Exception as error:  # noqa: BLE001 - whatever the library raises is what was seen
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=out, flush=True)
