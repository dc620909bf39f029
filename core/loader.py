"""Find channels and bots by walking folders and entry points; fail at start-up, with a hint."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from core.bots import Bot
from core.channels import Capabilities, ChannelAdapter
from shared.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
# Other packages add theirs under these names: `[project.entry-points."cairn.adapters"]`.
ADAPTERS_GROUP = "cairn.adapters"
BOTS_GROUP = "cairn.bots"
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


def load_bots(extra_folders: list[Path] | None = None) -> dict[str, Bot]:
    """Every bot by its name: the `bot` of each `bots/<name>/bot.py`."""
    bots: dict[str, Bot] = {}
    for origin, module in _modules("bots", "bot", BOTS_GROUP, extra_folders or []):
        bot = getattr(module, "bot", None)
        if not isinstance(bot, Bot):
            raise ConfigurationError(f"{origin} must define `bot = Bot(...)`")
        if bot.name in bots:
            raise ConfigurationError(f"two bots are called {bot.name!r}; one is {origin}")
        bot.folder = bot.folder or Path(str(module.__file__)).parent
        bots[bot.name] = bot
    return bots


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
    for entry in entry_points(group=group):
        yield entry.value, _import(entry.value)


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
