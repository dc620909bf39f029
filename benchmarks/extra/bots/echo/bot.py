"""The cheapest bot there can be: what is left of a turn's cost is Cairn's own."""

from core.bots import Bot, Turn

bot = Bot(name="echo", persona="An echo.", greeting="Hello!")


@bot.message(r"")
async def echo(turn: Turn) -> None:
    turn.say(turn.text)
