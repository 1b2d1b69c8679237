"""What Tab offers: data by name or path, runs, presets."""

from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from adavit.config.layers import preset_names
from adavit.data.known_names import NAMES

# The shell lists paths itself, and only where nothing else fits.
_PATHS = "file"


def data(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of known sets, and paths."""
    return [CompletionItem(incomplete, type=_PATHS), *words(NAMES, incomplete)]


def runs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Folders below runs/, and paths."""
    try:
        found = sorted(str(path) for path in Path("runs").iterdir() if path.is_dir())
    except OSError:
        found = []
    return [CompletionItem(incomplete, type=_PATHS), *words(found, incomplete)]


def presets(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of shipped presets."""
    return words(preset_names(), incomplete)


def files(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Paths."""
    return [CompletionItem(incomplete, type=_PATHS)]


def choices(
    known: Sequence[str], context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The words that a setting takes; none for a number."""
    return words(known, incomplete)


def words(known: Sequence[str], incomplete: str) -> list[CompletionItem]:
    """Those that begin as what is typed."""
    return [CompletionItem(word) for word in known if word.startswith(incomplete)]
