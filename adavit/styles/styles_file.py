"""Styles as safetensors files: what `adavit project` finds for an image of one's own, and what the studio saves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from adavit.errors import UserError, first_line
from adavit.runs.generator_file import StoredGenerator
from adavit.runs.weights_file import UNUSABLE, read_weights, tensors_content

ENDING = "w.safetensors"
"""Of the names of such files."""


@dataclass(frozen=True)
class NamedStyles:
    """Styles of one image.

    Attributes:
        name: Of its file, or of the folder that `adavit project` made for it.
        w: [L, W], float32, on the CPU.
    """

    name: str
    w: Tensor


def styles_content(w: Tensor, metadata: dict[str, str]) -> bytes:
    """What such a file holds.

    Args:
        w: Styles of each layer [L, W]. Not modified.
        metadata: What to know of them.
    """
    return tensors_content({"w": w}, metadata)


def read_styles(paths: Sequence[Path], stored: StoredGenerator) -> list[NamedStyles]:
    """Reads files, and all such files of folders.

    Args:
        paths: Files, or folders with files whose names end in `ENDING`, in themselves or in their folders.
        stored: The generator that is to draw them.

    Returns:
        In the order of `paths`, those of a folder by name.

    Raises:
        UserError: If one is missing, damaged, of another kind, or of a generator of other sizes.
    """
    return [_read(file, stored) for path in paths for file in _files(path)]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted([*path.glob(f"*{ENDING}"), *path.glob(f"*/*{ENDING}")])
    if not found:
        raise UserError(
            f"folder {str(path)!r} has no styles. Expected files named ...{ENDING} in it or in its folders, as"
            " adavit project writes them; check the path."
        )
    return found


def _read(path: Path, stored: StoredGenerator) -> NamedStyles:
    try:
        tensors, _ = read_weights(path)
        w = tensors["w"]
        if w.ndim != 2 or not w.is_floating_point():
            raise ValueError("its w is no table of styles")
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
    whole = path.absolute()
    name = whole.parent.name if whole.name == ENDING else whole.stem.removesuffix("-w")
    return NamedStyles(name, w.float())
