"""Bots in twenty lines: commands, mentions, private messages, and what is done at its times.

    bot = Bot("weather")

    @bot.command("weather", "what it is like, as /weather Berlin")
    async def weather(request: BotRequest) -> str:
        return f"In {request.text}: rain."

    asyncio.run(bot.run(await signer_from("keyring:weather"), relays=[...]))

Each request is answered once, also by a bot that was killed meanwhile, and what came while it was
off is not missed, up to an age. It answers no other bot, and in no thread without an end.
"""

from nostr_client.bots.bot import Bot
from nostr_client.bots.rates import RateLimit
from nostr_client.bots.requests import BotRequest

__all__ = ["Bot", "BotRequest", "RateLimit"]
