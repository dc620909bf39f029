"""`cairn eval`: measure what is found and answered, calibrate a space, all on golden questions."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress

from core.cli import eval_tables
from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.cli.told import Told
from core.creators import require_creator
from core.evaluation import answers, calibrate, candidates, golden, ground, records, retrieval
from core.evaluation.calibrate import Calibrated
from core.evaluation.golden import GoldenSet
from core.evaluation.ground import Asked, Ground
from core.house import HOUSE
from core.knowledge import Knowledge
from core.rag.calibration import WORDS_ALONE, StoredCalibrations
from core.rag.spaces import Embedders
from core.runtime import Runtime
from core.seed import DEMO_BOT
from shared.errors import InvalidInput

SHARED = "shared"

app = typer.Typer(
    help="Measure what is found and answered, on questions whose answers you know.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Data = Annotated[Path, typer.Option("--data", help="A folder of .jsonl files: the golden set.")]
Creator = Annotated[
    UUID | None,
    typer.Option("--creator", help="Ask this creator's knowledge, not the set's documents."),
]
Short = Annotated[bool, typer.Option("--short", help="Ask the short form of each question.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")]
Report = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """Whom to ask what, with a bar that counts."""

    runtime: Runtime
    ground: Ground
    golden: GoldenSet
    questions: list[Asked]
    owner: UUID
    bar: Progress

    def counter(self, label: str, total: int) -> Callable[[], None]:
        task = self.bar.add_task(label, total=total)
        return lambda: self.bar.advance(task)


@app.command("retrieval")
def retrieval_(
    data: Data,
    creator: Creator = None,
    model: Annotated[
        str, typer.Option("--model", help="Index with this embedding model, as name@version.")
    ] = "",
    short: Short = False,
    as_json: Json = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """How well the right documents are found, and how rightly it is refused to answer."""

    async def measure(occasion: Occasion) -> Report:
        counter = occasion.counter("Asking", retrieval.total(occasion.golden, occasion.questions))
        figures = await retrieval.measure(
            occasion.ground, occasion.golden, occasion.questions, short=short, progress=counter
        )
        subject = f"model {model}" if model else f"space {figures['space'] or WORDS_ALONE}"
        await _record(occasion, "retrieval", [subject], short, figures)
        return figures

    if model and creator:
        raise InvalidInput("--model builds an index of its own: leave out --creator")
    figures = asyncio.run(_on(data, creator, data_dir, measure, embedding_model=model))
    _show(figures, as_json, eval_tables.retrieval)


@app.command("answers")
def answers_(
    data: Data,
    creator: Creator = None,
    model: Annotated[
        str, typer.Option("--model", help="Answer with this chat model, as name@version.")
    ] = "",
    prompt: Annotated[
        str, typer.Option("--prompt", help="Answer with this prompt, as template@version.")
    ] = "",
    bot: Annotated[str, typer.Option("--bot", help="Whose persona answers.")] = DEMO_BOT,
    short: Short = False,
    as_json: Json = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """How good the answers are: right, grounded, rightly cited, rightly refused."""

    async def measure(occasion: Occasion) -> Report:
        examiner = await _examiner(occasion, model, prompt, bot)
        total = retrieval.total(occasion.golden, occasion.questions)
        counter = occasion.counter("Answering", total)
        figures = await examiner.measure(
            occasion.golden, occasion.questions, short=short, progress=counter
        )
        subjects = candidates.subjects(figures, model=model, prompt=prompt)
        await _record(occasion, "answers", subjects, short, figures)
        return figures

    figures = asyncio.run(_on(data, creator, data_dir, measure))
    _show(figures, as_json, eval_tables.answers)


@app.command("calibrate")
def calibrate_(
    data: Data,
    space: Annotated[
        str, typer.Option("--space", help="The space to calibrate; `words` is without vectors.")
    ] = "",
    creator: Annotated[
        str, typer.Option("--creator", help="A creator's id, or `shared`: for all of them.")
    ] = SHARED,
    force: Annotated[bool, typer.Option("--force", help="Store it even if it is worse.")] = False,
    as_json: Json = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Fit when to refuse, and how words and vectors are weighed, to a golden set."""
    owner = HOUSE if creator == SHARED else _creator_id(creator)

    async def fit(occasion: Occasion) -> Report:
        found = await _calibrated(occasion, space)
        eval_tables.calibrated(Console(), found)
        figures = found.figures | {"space": found.space, "calibration": found.new.to_json()}
        _write(figures, as_json)  # also of one that is refused
        await calibrate.store(occasion.runtime.database, owner, found, is_forced=force)
        return figures

    asyncio.run(_on(data, None if owner == HOUSE else owner, data_dir, fit, space=space))
    typer.echo(f"Stored for {'all creators' if owner == HOUSE else owner}; in use in a minute.")


async def _calibrated(occasion: Occasion, space: str) -> Calibrated:
    active = await occasion.ground.space()
    if space not in ("", WORDS_ALONE, active):
        raise InvalidInput(f"this knowledge lies in the space {active}", code="other_space")
    chosen = None if space == WORDS_ALONE else active
    return await calibrate.calibrate(
        occasion.ground,
        occasion.golden,
        occasion.questions,
        await calibrate.in_use(occasion.runtime.database, occasion.owner, chosen),
        space=chosen,
        progress=occasion.counter("Asking", calibrate.steps(occasion.golden, occasion.questions)),
    )


async def _on(
    data: Path,
    creator: UUID | None,
    data_dir: Path,
    measure: Callable[[Occasion], Awaitable[Report]],
    *,
    space: str = "",
    embedding_model: str = "",
) -> Report:
    """Run a measurement where it belongs: a creator's knowledge, else the set's documents."""
    found = golden.load(data)
    if creator is None and not found.documents:
        raise InvalidInput(f"{data} holds no documents: name the --creator whose they are")
    async with operating(data_dir) as runtime:
        embedders = await _embedders(runtime, space, embedding_model)
        with Told(console=Console(stderr=True)) as bar:
            async with _occasion(runtime, found, creator, embedders, bar) as occasion:
                return await measure(occasion)


@asynccontextmanager
async def _occasion(
    runtime: Runtime,
    found: GoldenSet,
    creator: UUID | None,
    embedders: Embedders,
    bar: Progress,
) -> AsyncIterator[Occasion]:
    if creator is not None:
        await require_creator(runtime.database, creator)
        own = Ground(
            database=runtime.database,
            vectors=runtime.vectors,
            embedders=embedders,
            knowledge=runtime.knowledge,
            creator_id=creator,
        )
        questions = ground.asked(found, await ground.names(own))
        yield Occasion(
            runtime=runtime, ground=own, golden=found, questions=questions, owner=creator, bar=bar
        )
        return
    await ground.remove_abandoned(runtime.database, runtime.vectors)
    # The same search as the product's, over an index built with the embedder that was asked for.
    calibrations = StoredCalibrations(runtime.database)
    knowledge = Knowledge(runtime.database, runtime.vectors, embedders, calibrations=calibrations)
    async with ground.throwaway(runtime.database, runtime.vectors, embedders, knowledge) as thrown:
        task = bar.add_task("Ingesting", total=len(found.documents))
        ids = await ground.fill(thrown, found, lambda: bar.advance(task))
        names = {ground.key(name): frozenset({one}) for name, one in ids.items()}
        questions = ground.asked(found, names)
        yield Occasion(
            runtime=runtime, ground=thrown, golden=found, questions=questions, owner=HOUSE, bar=bar
        )


async def _embedders(runtime: Runtime, space: str, model: str) -> Embedders:
    if space and space != WORDS_ALONE:
        return await candidates.in_space(runtime.models.embedders, space)
    if model:
        return await candidates.of_model(runtime.models, model)
    return runtime.models.embedders


async def _examiner(occasion: Occasion, model: str, prompt: str, bot: str) -> answers.Examiner:
    """With the chain in use, and what is to be measured in place of what is in production."""
    runtime, owner = occasion.runtime, occasion.owner
    chain, signed = runtime.models.answers, None
    if model:
        chain, signed = await candidates.with_model(chain, runtime.models, owner, model)
    if prompt:
        chain = await candidates.with_prompt(chain, runtime.prompts, owner, prompt)
    return answers.Examiner(
        ground=occasion.ground,
        chain=chain,
        persona=_persona(runtime, bot),
        model=signed,
        prompt=prompt or None,
    )


async def _record(
    occasion: Occasion, kind: records.Kind, subjects: Sequence[str], short: bool, figures: Report
) -> None:
    await records.record(
        occasion.runtime.database,
        occasion.owner,
        kind=kind,
        subjects=subjects,
        golden=occasion.golden,
        short=short,
        figures=figures,
    )


def _persona(runtime: Runtime, bot: str) -> str:
    found = runtime.bots.get(bot)
    if found is None:
        raise InvalidInput(f"there is no bot {bot}; there are {', '.join(sorted(runtime.bots))}")
    return found.persona


def _creator_id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError as error:
        raise InvalidInput(f"--creator is an id or `{SHARED}`, not {given!r}") from error


def _show(figures: Report, file: Path | None, show: Callable[[Console, Report], None]) -> None:
    show(Console(), figures)
    _write(figures, file)


def _write(figures: Report, file: Path | None) -> None:
    if file:
        file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
