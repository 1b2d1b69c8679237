"""How settings name networks trained on other images: LIBRARY:NAME, or LIBRARY:NAME:FILE. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from adavit.features.architectures import ARCHITECTURES
from adavit.runtime.paths import expand_home
from adavit.runtime.wording import did_you_mean

LIBRARY_NAMES = ("torchvision", "timm")


@dataclass(frozen=True)
class NamedBy:
    """The setting by which a user names a network, for messages.

    Attributes:
        setting: What stands before its name, such as "--init-discriminator ".
        otherwise: What can be done without it.
    """

    setting: str
    otherwise: str


FEATURES = NamedBy("--features ", "leave --features out")
"""The critic on frozen features of a new run."""


class NetworkName(NamedTuple):
    """The parts of "LIBRARY:NAME:FILE"; those that are not there are empty."""

    library: str
    network: str
    file: str


def parted(requested: str) -> NetworkName:
    """The parts of a network's name."""
    library, _, rest = requested.partition(":")
    network, _, file = rest.partition(":")
    return NetworkName(library, network, file)


def check_network_name(
    key: str, requested: str, *, otherwise: str, networks: Sequence[str] = tuple(ARCHITECTURES)
) -> None:
    """Checks that a setting names a network, as far as that is known without its library: any name of timm will do.

    Args:
        key: Of the setting, dotted.
        requested: Its value.
        otherwise: What can be done without it.
        networks: Those of torchvision that will do.

    Raises:
        ValueError: If it names none.
    """
    library, network, _ = parted(requested)
    if library == "torchvision" and network:
        if network not in networks:
            hint = did_you_mean(network, networks) or f" Name one, or {otherwise}."
            raise ValueError(
                f"{key} is {requested!r}, but torchvision's {network!r} is unknown here, expected one of:"
                f" {', '.join(networks)}.{hint}"
            )
    elif library not in LIBRARY_NAMES or not network:
        raise ValueError(
            f"{key} is {requested!r}, expected torchvision:NAME or timm:NAME, and :FILE behind it with"
            f" weights of your own.{_hint(requested, networks)} torchvision's NAME is one of:"
            f" {', '.join(networks)}. Name one, or {otherwise}."
        )


def _hint(requested: str, networks: Sequence[str]) -> str:
    if requested and expand_home(Path(requested)).is_file():
        return (
            f" A file does not say of which network it is: name it as torchvision:NAME:{requested}."
        )
    for word in requested.lower().split(":"):
        near = did_you_mean(word, networks)  # without the library, which would make all alike
        if near:
            return near.replace("mean ", "mean torchvision:")
    return ""
