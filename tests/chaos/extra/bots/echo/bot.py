"""A bot that repeats what it hears, and misbehaves on request."""

import asyncio
import os
import signal

from core.bots import Bot, Turn

# More than one Telegram message of 4,096 characters holds.
LONG_PARAGRAPHS = 3
PARAGRAPH_WORDS = 500

bot = Bot(name="echo", persona="An echo.", greeting="echo /start")


@bot.message(r"^slow (\d+)")
async def wait(turn: Turn) -> None:
    await asyncio.sleep(int(turn.text.split()[1]) / 1000)
    turn.say(f"echo {turn.text}")


@bot.message(r"^poison")
async def fail(turn: Turn) -> None:
    raise RuntimeError("this message can't be handled")


@bot.message(r"^kill")
async def die(turn: Turn) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@bot.message(r"^long")
async def talk(turn: Turn) -> None:
    paragraphs = [f"part{n} " * PARAGRAPH_WORDS for n in range(1, LONG_PARAGRAPHS + 1)]
    turn.say("\n\n".join(paragraph.strip() for paragraph in paragraphs))


@bot.message(r"^note ")
async def remember(turn: Turn) -> None:
    turn.memory["notes"] = [*turn.memory.get("notes", []), turn.text.removeprefix("note ")]


@bot.message(r"^recite")
async def recite(turn: Turn) -> None:
    turn.say(" ".join(turn.memory.get("notes", [])))


@bot.message(r"^nothing")
async def be_invisible(turn: Turn) -> None:
    turn.say("\u200b")


@bot.message(r"")
async def repeat(turn: Turn) -> None:
    turn.say(f"echo {turn.text}")
