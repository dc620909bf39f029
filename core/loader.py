"""Find channels, emulators and bots in folders and entry points; fail at start-up, with a hint."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from core.bots import Bot
from core.channels import Capabilities, ChannelAdapter
from core.emulators import Emulator
from core.programs.definition import Program
from core.programs.reading import check_program
from shared.errors import ConfigurationError, InvalidInput

ROOT = Path(__file__).resolve().parent.parent
# Other packages add theirs under these names: `[project.entry-points."cairn.adapters"]`.
ADAPTERS_GROUP = "cairn.adapters"
BOTS_GROUP = "cairn.bots"
EMULATOR_MEMBERS = (
    *("name", "credentials", "connect", "close"),
    *("sent", "texts", "says", "taps", "fails"),
    *("revision", "places", "view", "is_typing", "writes", "presses"),
)
METHODS = ("check_account", "verify", "parse", "conversation", "send", "classify", "close")


def load_channels(extra_folders: list[Path] | None = None) -> dict[str, ChannelAdapter]:
    """Every adapter by its name. Raises ConfigurationError when one breaks the contract."""
    adapters: dict[str, ChannelAdapter] = {}
    for origin, module in _modules("adapters", "channel", ADAPTERS_GROUP, extra_folders or []):
        adapter = _create_adapter(origin, module)
        if adapter.name in adapters:
            raise ConfigurationError(f"two adapters are called {adapter.name!r}; one is {origin}")
        adapters[adapter.name] = adapter
    return adapters


def load_emulators(extra_folders: list[Path] | None = None) -> dict[str, Emulator]:
    """A new emulator of every channel that has one, by the channel's name."""
    emulators: dict[str, Emulator] = {}
    for origin, module in _modules("adapters", "emulator", ADAPTERS_GROUP, extra_folders or []):
        emulator = _create_emulator(origin, module)
        if emulator.name in emulators:
            raise ConfigurationError(f"two emulators are of {emulator.name!r}; one is {origin}")
        emulators[emulator.name] = emulator
    return emulators


def load_bots(extra_folders: list[Path] | None = None) -> dict[str, Bot]:
    """Every bot by its name: the `bot` of each `bots/<name>/bot.py`."""
    bots: dict[str, Bot] = {}
    declared = _declared_programs(extra_folders or [])
    for origin, module in _modules("bots", "bot", BOTS_GROUP, extra_folders or []):
        bot = getattr(module, "bot", None)
        if not isinstance(bot, Bot):
            raise ConfigurationError(f"{origin} must define `bot = Bot(...)`")
        if bot.name in bots:
            raise ConfigurationError(f"two bots are called {bot.name!r}; one is {origin}")
        here = Path(str(module.__file__)).parent
        bot.folder = bot.folder or here
        if here in declared:
            place, programs = declared[here]
            bot.programs = _programs_of(bot, place, programs, "programs")
            bot.drafts = _programs_of(bot, place, programs, "drafts")
        bots[bot.name] = bot
    return bots


def _declared_programs(extra_folders: list[Path]) -> dict[Path, tuple[str, ModuleType]]:
    """The `programs.py` of each bot that has one, by its folder."""
    found = _modules("bots", "programs", BOTS_GROUP, extra_folders)
    return {Path(str(module.__file__)).parent: (place, module) for place, module in found}


def _programs_of(bot: Bot, place: str, module: ModuleType, name: str) -> tuple[Program, ...]:
    """What a module declares under a name, of this bot. Raises ConfigurationError."""
    programs = getattr(module, name, ())
    if not all(isinstance(program, Program) for program in programs):
        raise ConfigurationError(f"{place}: `{name}` must be a list of Program(...)")
    known = []
    for program in programs:
        if program.bot not in ("", bot.name):
            raise ConfigurationError(f"{place}: {program.slug} is for another bot: {program.bot}")
        try:
            check_program(program)
        except InvalidInput as error:
            raise ConfigurationError(f"{place}: {program.slug}: {error.message}") from error
        known.append(program.model_copy(update={"bot": bot.name}))
    return tuple(known)


def _create_adapter(origin: str, module: ModuleType) -> ChannelAdapter:
    create = getattr(module, "create_adapter", None)
    if create is None:
        raise ConfigurationError(f"{origin} must define create_adapter()")
    adapter: ChannelAdapter = create()
    if not isinstance(getattr(adapter, "capabilities", None), Capabilities):
        raise ConfigurationError(f"{origin}: the adapter needs `capabilities = Capabilities(...)`")
    for method in METHODS:
        if not inspect.ismethod(getattr(adapter, method, None)):
            raise ConfigurationError(
                f"{origin}: the adapter lacks {method}(); see core/channels.py"
            )
    return adapter


def _create_emulator(origin: str, module: ModuleType) -> Emulator:
    create = getattr(module, "create_emulator", None)
    if create is None:
        raise ConfigurationError(f"{origin} must define create_emulator()")
    emulator: Emulator = create()
    if not callable(emulator):
        raise ConfigurationError(f"{origin}: the emulator is no ASGI application")
    # isinstance() would only say that something is missing, and would read every property.
    for member in EMULATOR_MEMBERS:
        if not hasattr(type(emulator), member):
            raise ConfigurationError(
                f"{origin}: the emulator lacks {member}; see core/emulators.py"
            )
    return emulator


def _modules(
    family: str, module_name: str, group: str, extra_folders: list[Path]
) -> Iterator[tuple[str, ModuleType]]:
    """(origin, module) of the tree's own, then of extra folders, then of installed packages."""
    for folder in sorted((ROOT / family).glob(f"*/{module_name}.py")):
        name = f"{family}.{folder.parent.name}.{module_name}"
        yield name, _import(name)
    for extra in extra_folders:
        for file in sorted(extra.glob(f"{family}/*/{module_name}.py")):
            yield str(file), _import_package(family, file)
    for entry in _installed(group):
        # The entry point names the package's `channel` or `bot` module; others stand beside it.
        name = f"{entry.value.rpartition('.')[0]}.{module_name}"
        if module_name in ("channel", "bot"):
            yield entry.value, _import(entry.value)
        elif _exists(name):
            yield name, _import(name)


@cache
def _installed(group: str) -> tuple[EntryPoint, ...]:
    """What other packages offer. Looked for once: it reads the files of every package there is."""
    return tuple(entry_points(group=group))


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(f"{name} cannot be imported: {error}") from error


def _import_package(family: str, file: Path) -> ModuleType:
    """Import `file` with its folder as a package, so that it can import its neighbours."""
    package = f"cairn_extra_{family}_{file.parent.name}"
    name = f"{package}.{file.stem}"
    if name in sys.modules:
        return sys.modules[name]
    parent = ModuleType(package)
    parent.__path__ = [str(file.parent)]
    sys.modules[package] = parent
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{file} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise ConfigurationError(f"{file} cannot be imported: {error}") from error
    return module
