"""The coach: welcomes, helps to set a goal, keeps a list of goals, answers from its handbook."""

from typing import Literal

from pydantic import BaseModel, Field

from core.bots import Bot, Choice, Goal, Turn

bot = Bot(
    name="coach",
    persona=(
        "You are a warm, practical coach. You help one person to build habits and reach goals. "
        "You are brief, you prefer one small next step to a list of ten, and you never diagnose."
    ),
    greeting="Hello! I'm your coach.",
    knowledge="knowledge",
    suggestions=(
        "How do I start a habit that sticks?",
        "I keep procrastinating. What helps?",
        "How much sleep do I need?",
    ),
)


class GoalForm(BaseModel):
    goal: str = Field(
        title="What would you like to achieve?",
        description="One sentence is enough.",
        min_length=3,
        max_length=200,
    )
    reason: str = Field(title="Why does it matter to you?", min_length=3, max_length=500)
    days_per_week: int = Field(
        title="On how many days a week will you work on it?",
        description="A number from 1 to 7.",
        ge=1,
        le=7,
    )
    time_of_day: Literal["Morning", "Midday", "Evening"] = Field(title="When suits you best?")


@bot.start
async def welcome(turn: Turn) -> None:
    name = f" {turn.contact_name}" if turn.contact_name else ""
    turn.say(
        f"Hello{name}! I'm your coach. Ask me about habits, goals, motivation, focus or sleep, "
        "and I'll answer from the coaching handbook. To set a goal, say `/goal`.",
        choices=[*bot.suggestions[:2], Choice(label="Set a goal", value="/goal")],
    )


@bot.command("goal", help="set a goal, step by step")
async def set_goal(turn: Turn) -> None:
    turn.say("Let's set a goal. Four short questions; `/cancel` stops at any time.")
    turn.ask(GoalForm)


@bot.form(GoalForm)
async def save_goal(turn: Turn, form: GoalForm) -> None:
    about = {"reason": form.reason, "time_of_day": form.time_of_day}
    turn.set_goal(Goal(title=form.goal, days_per_week=form.days_per_week, detail=about))
    turn.join("weekly-habit", anew=True)
    days = "once a week" if form.days_per_week == 1 else f"on {form.days_per_week} days a week"
    turn.say(
        f"Noted: **{form.goal}**, {days}, in the {form.time_of_day.lower()}.\n\n"
        f"You want it because: _{form.reason}_\n\nI'll ask you in the "
        "evenings how it went; `/stop` ends that. What is the smallest step you can take today?",
        choices=["How do I start a habit that sticks?", Choice(label="My goals", value="/goals")],
    )


@bot.command("goals", help="see your goals")
async def list_goals(turn: Turn) -> None:
    goals = await turn.goals()
    if not goals:
        turn.say("You have no goals yet.", choices=[Choice(label="Set a goal", value="/goal")])
        return
    lines = [
        f"{n}. **{goal.title}**: {goal.days_per_week} × a week" for n, goal in enumerate(goals, 1)
    ]
    turn.say("Your goals:\n\n" + "\n".join(lines))


@bot.command("human", help="ask for a person")
async def call_human(turn: Turn) -> None:
    turn.call_human()
    turn.say("I've marked our conversation for a person of the team. They will answer right here.")


@bot.message(r"^(thanks|thank you|thx)\b.{0,20}$")
async def thanks(turn: Turn) -> None:
    turn.say("You're welcome. I'm here when you need me.")
