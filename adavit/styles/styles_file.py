"""Styles as safetensors files: what `adavit project` finds for an image of one's own, and what the studio saves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from adavit.errors import UserError, first_line
from adavit.runs.generator_file import StoredGenerator
from adavit.runs.weights_file import UNUSABLE, read_weights, tensors_content
from adavit.runtime.console import Console
from adavit.runtime.wording import counted, listed
from adavit.styles.belonging import BELONGS_TO, belongs_to, styles_digest

ENDING = "w.safetensors"
"""Of the names of such files."""


@dataclass(frozen=True)
class NamedStyles:
    """Styles of one image.

    Attributes:
        name: Of its file, or of the folder that `adavit project` made for it.
        w: [L, W], float32, on the CPU.
        generator: `styles_digest` of the generator in which they were found; None where the file does not say.
    """

    name: str
    w: Tensor
    generator: str | None


def styles_content(w: Tensor, stored: StoredGenerator, metadata: dict[str, str]) -> bytes:
    """What such a file holds.

    Args:
        w: Styles of each layer [L, W]. Not modified.
        stored: The generator in which they were found.
        metadata: What else to know of them.
    """
    of = {"generator": stored.path.name, BELONGS_TO: styles_digest(stored.generator)}
    return tensors_content({"w": w}, {**of, **metadata})


def read_styles(
    paths: Sequence[Path], stored: StoredGenerator, console: Console
) -> list[NamedStyles]:
    """Reads files, and all such files of folders.

    Args:
        paths: Files, or folders with files named `ENDING` or ...-`ENDING`, in themselves or in their folders.
        stored: The generator that is to draw them.
        console: Warned of those that were found in another generator.

    Returns:
        In the order of `paths`, those of a folder by name.

    Raises:
        UserError: If one is missing, damaged, of another kind, or of a generator of other sizes.
    """
    found = [_read(file, stored) for path in paths for file in _files(path)]
    told = {each.generator for each in found if each.generator is not None}
    others = {digest for digest in told if not belongs_to(digest, stored)}
    if foreign := [each.name for each in found if each.generator in others]:
        were = counted(len(foreign), "file of styles was", "files of styles were")
        console.note(
            f"Warning: {were} found in another generator than {stored.path}, where they may draw something else:"
            f" {listed(foreign)}."
        )
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    names = ENDING, f"*-{ENDING}"  # of `adavit project`, and of the studio
    found = sorted(
        file for name in names for part in (name, f"*/{name}") for file in path.glob(part)
    )
    if not found:
        raise UserError(
            f"folder {str(path)!r} has no styles. Expected files named {ENDING} or ...-{ENDING} in it or in its"
            " folders, as adavit project and the studio write them; check the path."
        )
    return found


def _read(path: Path, stored: StoredGenerator) -> NamedStyles:
    try:
        tensors, entries = read_weights(path)
        w = tensors["w"]
        if w.ndim != 2 or not w.is_floating_point():
            raise ValueError("its w is not a table of styles")
        w = w.float()
        if not bool(w.isfinite().all()):
            raise ValueError("its w has numbers beyond those of float32")
    except UNUSABLE as error:
        raise UserError(
            f"styles {str(path)!r} cannot be used ({first_line(error)}). Expected a .safetensors file that adavit"
            " project or adavit studio has written; check the path, or find it anew."
        ) from None
    synthesis = stored.generator.synthesis
    if tuple(w.shape) != (synthesis.style_count, synthesis.style_dim):
        raise UserError(
            f"styles {str(path)!r} are {w.shape[0]} of {w.shape[1]} numbers, but generator {str(stored.path)!r} has"
            f" {synthesis.style_count} of {synthesis.style_dim}. Name the generator in which they were found."
        )
    name = path.stem.removesuffix("-w")
    if path.name == ENDING or not name:
        name = path.parent.resolve().name
    return NamedStyles(name, w, entries.get(BELONGS_TO))
