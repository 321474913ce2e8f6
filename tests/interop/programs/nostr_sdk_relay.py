"""The relay that nostr-sdk carries: prints its URL, and ends when its input does."""

import asyncio
import sys

import nostr_sdk as sdk


async def main():
    quick = sdk.RateLimit(max_reqs=1_000, notes_per_minute=10_000)
    builder = sdk.LocalRelayBuilder().addr("127.0.0.1").rate_limit(quick)
    if "auth" in sys.argv:
        both = sdk.LocalRelayBuilderNip42Mode.BOTH
        builder = builder.nip42(sdk.LocalRelayBuilderNip42(mode=both))
    relay = builder.build()
    await relay.run()
    print(await relay.url(), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    relay.shutdown()


asyncio.run(main())
