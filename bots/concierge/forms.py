"""What the front desk asks: for an appointment, and how one was."""

import re
from typing import Literal

from pydantic import BaseModel, Field, field_validator

NO_CALL = "No call"
NO_COMMENT = "No comment"
_NO_CALL = frozenset(("no call", "no", "none", "no thanks"))
_NO_COMMENT = frozenset(("no comment", "no", "none"))
_PHONE = re.compile(r"\+?[0-9]{6,15}")


class Appointment(BaseModel):
    what: Literal["First visit", "Follow-up", "Check-up", "Something else"] = Field(
        title="What is it for?"
    )
    day: Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"] = Field(
        title="Which day suits you?"
    )
    time: Literal["Morning", "Midday", "Afternoon"] = Field(title="What time of day?")
    callback: str = Field(
        title="Which number may we call if we have a question?",
        examples=[NO_CALL],
        max_length=30,
    )

    @field_validator("callback")
    @classmethod
    def _number_or_none(cls, value: str) -> str:
        if value.strip(" .").lower() in _NO_CALL:
            return NO_CALL
        digits = re.sub(r"[\s().-]", "", value)
        if not _PHONE.fullmatch(digits):
            raise ValueError("Please send a phone number, or No call")
        return digits


class Feedback(BaseModel):
    rating: int = Field(
        title="How was your appointment, from 1 (poor) to 5 (great)?",
        description="Reply with one number.",
        ge=1,
        le=5,
    )
    comment: str = Field(
        title="Thank you. What should we know about it?",
        examples=[NO_COMMENT],
        max_length=1000,
    )

    @property
    def said(self) -> str:
        """The comment; empty when there is none."""
        return "" if self.comment.strip(" .").lower() in _NO_COMMENT else self.comment
