"""All examinations, one after the other: a finding is told as soon as it is there."""

import importlib
from collections.abc import Iterable, Iterator

from adavit.doctor.finding import Finding
from adavit.doctor.versions import examine_versions
from adavit.errors import UserError, first_line

LIBRARIES = ("torch", "torchvision")
"""Without them nothing else can be looked at; that they are installed does not say that they load."""

PARTS = ("cards", "processor", "space", "weights")


def examine(*, speed: bool = True) -> Iterator[Finding]:
    """Looks at versions, devices, processor, room and weights, and measures how fast a run is.

    Args:
        speed: Whether to measure that, which takes about ten seconds.
    """
    yield from examine_versions()
    broken = [finding for name in LIBRARIES for finding in _imported(name)]
    yield from broken
    if broken:
        return
    for part in (*PARTS, *(["speed"] if speed else [])):
        yield from _part(part)


def usable(findings: Iterable[Finding]) -> bool:
    """Whether nothing prevents training."""
    return all(finding.state != "problem" for finding in findings)


def _imported(name: str) -> Iterator[Finding]:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001  a broken installation raises what it likes
        yield Finding(
            name,
            "problem",
            f"It cannot be loaded: {type(error).__name__}: {first_line(error)}.",
            "Install torch and torchvision anew, both of one release (https://pytorch.org/get-started/locally).",
        )


def _part(name: str) -> Iterator[Finding]:
    try:
        module = importlib.import_module(f"adavit.doctor.{name}")
        yield from getattr(module, f"examine_{name}")()
    except UserError as error:
        yield Finding(name, "problem", str(error))
    except Exception as error:  # noqa: BLE001  one thing that cannot be looked at hides no other
        yield Finding(
            name, "note", f"Could not be looked at ({type(error).__name__}: {first_line(error)})."
        )
