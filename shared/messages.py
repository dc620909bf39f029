"""What a bot says, independent of any channel: text in Markdown, choices, citations."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Value(BaseModel):
    """A frozen value: compared by content, safe to share between tasks."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(Value):
    """One thing a contact can pick; `value` comes back as if they had typed or tapped it."""

    label: str = Field(min_length=1, max_length=200)
    value: str = Field(min_length=1, max_length=2000)


class Citation(Value):
    """A passage of the creator's knowledge that supports the reply; `quote` is verbatim."""

    number: int = Field(ge=1, description="the [n] this citation has in the text")
    document_id: UUID
    chunk_id: UUID
    title: str
    heading: str = ""
    page: int | None = Field(None, ge=1, description="where it stands, in a document with pages")
    quote: str

    @property
    def place(self) -> str:
        """Where in its document it stands, as far as that is known."""
        page = f"p. {self.page}" if self.page else ""
        return ", ".join(part for part in (" ".join(self.heading.split()), page) if part)


class Attachment(Value):
    """A picture or file to show beside the text, fetched by the platform from a public address."""

    kind: Literal["image", "file"]
    url: str = Field(max_length=2000, pattern=r"^https?://[^\s]+$")
    name: str = Field("", max_length=200, description="what a file is called")
    description: str = Field("", max_length=1000, description="what a picture shows, for readers")


class Message(Value):
    """One outbound message before it is fitted to a channel."""

    text: str = Field(description="Markdown")
    choices: tuple[Choice, ...] = ()
    citations: tuple[Citation, ...] = ()
    attachments: tuple[Attachment, ...] = Field((), max_length=10)
