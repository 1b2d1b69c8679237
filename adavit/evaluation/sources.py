"""What can be evaluated, and what it can be compared with: a run, a generator file, or images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adavit.config.auto import RunFacts, resolve
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.data import NAMES, Skipped
from adavit.data.known_names import has_known_name
from adavit.errors import UserError
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import StoredGenerator, read_generator
from adavit.runs.hub import is_hub
from adavit.runs.imported_folder import ImportedFolder
from adavit.runtime.wording import counted, listed


@dataclass(frozen=True)
class GeneratorSource:
    """A run or a generator file.

    Attributes:
        name: As the user named it.
        stored: The generator.
        config: The complete settings of its run.
        run: The run directory; None for a file.
    """

    name: str
    stored: StoredGenerator
    config: ResolvedConfig
    run: RunDirectory | None

    def describe(self) -> dict[str, Any]:
        """Kind, name and fingerprints of the source, for a record."""
        return {
            "kind": "generator file" if self.run is None else "run",
            "name": self.name,
            "generator": self.stored.path.name,
            "fingerprint": tensors_digest(self.stored.generator.state_dict()),
            "trained_on": self.stored.data_fingerprint,
        }


@dataclass(frozen=True)
class ImageSource:
    """A folder, a zip, or the name of a set; loaded when its size is known.

    Attributes:
        name: As the user named it.
    """

    name: str

    @property
    def is_known_set(self) -> bool:
        """Whether it is a set that is known by name, of photographs or drawings; a path wins over a name."""
        return not _exists(Path(self.name)) and has_known_name(self.name)


Source = GeneratorSource | ImageSource


def open_source(source: str, flag: str, *, which: str | None = None) -> Source:
    """Resolves a word of the command line to a run, a generator file or images; a path wins over a name.

    Args:
        source: A run directory, a generator file, a folder, a zip, or a name such as "cifar10:test".
        flag: How the user gave it, for messages.
        which: "best" or "last" generator of a run.

    Raises:
        UserError: If there is nothing of that name, or it is damaged.
    """
    path = Path(source)
    if is_run_or_generator(path):
        stored = read_generator(path, which=which)
        of_run = path.is_dir() and not ImportedFolder(path).is_import()
        run = RunDirectory.open(path) if of_run else None
        return GeneratorSource(source, stored, config_of(stored), run)
    if not _exists(path) and not has_known_name(source):
        raise UserError(
            f"{flag} {source!r} does not exist and is not a known name, expected a run, a .safetensors"
            f" file, a folder or zip of images, or one of {', '.join(NAMES)}. Check the path."
        )
    if path.suffix == ".pt" and path.is_file():
        raise UserError(
            f"{flag} {source!r} is a checkpoint, whose generators lie beside it, expected a run, a"
            f" .safetensors file, or images. Name the run: {str(path.parent)!r}."
        )
    return ImageSource(source)


def is_run_or_generator(path: Path) -> bool:
    """Whether `path` is to be read as a run, an import or a generator, of a file or a hub, rather than as images."""
    if is_hub(str(path)):
        return True
    try:
        is_folder = RunDirectory(path).is_run() or ImportedFolder(path).is_import()
        return is_folder or path.suffix == ".safetensors"
    except (OSError, ValueError):  # a name too long for a path, or with a null character
        return False


def config_of(stored: StoredGenerator) -> ResolvedConfig:
    """The settings of a generator's run; of an imported one its sizes, and what is chosen where nobody asks.

    Raises:
        UserError: If they are not those of a complete run.
    """
    try:
        if stored.origin:
            # Of a device, as its networks are; nothing that is chosen by it is more than a default here.
            facts = RunFacts(stored.generator.resolution, training_images=1, device="cuda")
            return resolve(RunConfig.model_validate(stored.config), facts)
        return ResolvedConfig.model_validate(stored.config)
    except ValidationError as error:
        kinds = {mistake["type"] for mistake in error.errors()}
        reason = (
            "its settings are not complete"
            if kinds == {"missing"}
            else f"{error.error_count()} settings are not understood"
        )
    raise UserError(
        f"generator file {str(stored.path)!r} cannot be evaluated ({reason}), expected the settings"
        " of its run as this version of adavit writes them. Generate images, and evaluate their"
        " folder."
    )


def left_out(skipped: Sequence[Skipped]) -> str:
    """The files of SOURCE that are not among its images, in a sentence."""
    files = counted(len(skipped), "file of SOURCE was", "files of SOURCE were")
    return f"{files} left out: {listed(each.name for each in skipped)}."


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
