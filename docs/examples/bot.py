"""A bot that rolls dice: `python bot.py keyring:dice wss://relay.example`, then ask `/roll 20`."""

import asyncio
import random
import sys

from nostr_client import NostrClient, signer_from
from nostr_client.bots import Bot, BotRequest

bot = Bot("dice", profile={"name": "dice", "about": "I roll dice: /roll 20"})


@bot.command("roll", "a number from 1 up to the one you name, or to 6")
async def roll(request: BotRequest) -> str:
    sides = int(request.text) if request.text in map(str, range(2, 1001)) else 6
    return f"{random.randint(1, sides)} of {sides}"


@bot.mention
async def explain(request: BotRequest) -> str:
    return "Ask me for a number: /roll 20"


@bot.daily("08:30")
async def morning(client: NostrClient) -> str:
    return f"Today's number is {random.randint(1, 6)}."


async def main(signer: str, *relays: str) -> None:
    await bot.run(await signer_from(signer), relays=relays)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
