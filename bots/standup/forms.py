"""What a stand-up asks: four short questions."""

from pydantic import BaseModel, Field

NO_BLOCKERS = "No blockers"
_NONE = frozenset(("no blockers", "no", "none", "nothing", "nope", "n/a", "-", "no blocker"))
LONGEST = 1000  # characters of one answer: several people's still make one readable digest


class Standup(BaseModel):
    yesterday: str = Field(
        title="What did you finish since the last stand-up?", min_length=2, max_length=LONGEST
    )
    today: str = Field(
        title="What will you work on today?",
        description="One or two things, in the order you will take them.",
        min_length=2,
        max_length=LONGEST,
    )
    blockers: str = Field(
        title="Is anything in your way?",
        description="If so, write what it is and who could help.",
        examples=[NO_BLOCKERS],
        min_length=1,
        max_length=LONGEST,
    )
    mood: int | None = Field(
        None,
        title="How is your day, from 1 (rough) to 5 (great)?",
        description="Nobody sees yours: the team sees the average, once three have answered.",
        examples=["1", "2", "3", "4", "5"],
        ge=1,
        le=5,
    )

    @property
    def blocker(self) -> str:
        """What is in the way; empty when nothing is."""
        return "" if self.blockers.strip(" .!").lower() in _NONE else self.blockers
