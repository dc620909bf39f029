"""What stands before a turn: messages that keep failing or killing workers end here."""

from core.dialogue.memory import Thought, Work
from shared.messages import Message

MAX_FAILURES = 5
MAX_DEATHS = 2

APOLOGY = (
    "I'm sorry, something went wrong with your last message and I couldn't answer it. "
    "Your coach can see it. Please go on; I'm listening."
)


def deaths(work: Work) -> int:
    """Earlier starts that ended neither in a commit nor in a handled failure: the worker died."""
    return work.starts - 1 - work.failures


def is_poison(work: Work) -> bool:
    return work.failures >= MAX_FAILURES or deaths(work) >= MAX_DEATHS


def apology(work: Work) -> Thought:
    """Put the message among the dead, say so once, keep everything else as it was."""
    return Thought(
        # Who was to be written to hasn't asked for anything.
        replies=[] if work.kind == "due" else [Message(text=APOLOGY)],
        memory=work.memory,
        session=work.session,
        status="dead",
        error_code="too_many_failures" if work.failures >= MAX_FAILURES else "worker_died",
    )
