"""The names of kornia's operations, read from its files: to import it takes two seconds, which a typo need not."""

from __future__ import annotations

import ast
import difflib
import functools
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KorniaNames:
    """What `kornia.augmentation` has.

    Attributes:
        of_one_image: Operations on one image at a time.
        others: All else that it offers.
    """

    of_one_image: tuple[str, ...]
    others: tuple[str, ...]


@functools.cache
def names_in_files() -> KorniaNames | None:
    """The names that kornia's files import from each other; None where they are laid out otherwise."""
    found = importlib.util.find_spec("kornia")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "augmentation"
    try:
        offered = _imported(folder)
        of_one_image = [
            name
            for kind in ("geometric", "intensity")
            for name in _imported(folder / "_2d" / kind)
            if name in offered
        ]
    except (OSError, SyntaxError, ValueError):
        return None
    if not of_one_image:
        return None
    return KorniaNames(tuple(of_one_image), tuple(set(offered) - set(of_one_image)))


def _imported(package: Path) -> list[str]:
    tree = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return [alias.asname or alias.name for node in imports for alias in node.names]


def check_name(operation: str) -> None:
    """Refuses a name that kornia has nothing of, without importing it.

    Args:
        operation: Of a class of `kornia.augmentation`.

    Raises:
        ValueError: If there is surely none.
    """
    names = names_in_files()
    if names is not None and operation not in (*names.of_one_image, *names.others):
        raise ValueError(unknown(operation, names.of_one_image))


def unknown(operation: str, usable: Sequence[str]) -> str:
    """What is said of a name that kornia has nothing of."""
    return (
        f"kornia.augmentation has no {operation!r}; expected the name of a two-dimensional augmentation."
        f" {advice(operation, usable)}"
    )


def advice(operation: str, usable: Sequence[str]) -> str:
    """Which operation may have been meant."""
    near = nearest(operation, usable)
    return f"Did you mean {near}?" if near else "Use for example RandomElasticTransform."


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The name most like a word, or that begins most like it; None where none is like it."""

    def likeness(name: str) -> float:
        beginnings = (name, name[: len(word)])
        return max(
            difflib.SequenceMatcher(None, word.lower(), b.lower()).ratio() for b in beginnings
        )

    best = max(known, key=likeness, default="")
    return best if best and likeness(best) >= 0.75 else None
