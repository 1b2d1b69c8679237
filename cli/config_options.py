"""Flags that are names for keys of the configuration: the ones that commands share, and how they become a layer of it.

A flag has no default of its own: those live in `adavit.config.run` and its neighbours.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

Flag = tuple[str, str, str]
"""Flag, key of the configuration, help."""

DATA: Flag = (
    "--data",
    "data.source",
    "A folder, a zip, or a name: small_set, cifar10, cifar100, stl10, flowers102.",
)
IMAGES: Sequence[Flag] = [
    (
        "--resolution",
        "data.resolution",
        "Side in pixels: 16, 32, 64, ... [what fits the images and the device]",
    ),
    ("--channels", "data.channels", "auto, grey, rgb or rgba. [auto]"),
    ("--subset", "data.subset", "Train on this many images, drawn with the seed. [all]"),
    (
        "--val-fraction",
        "data.val_fraction",
        "Held-out images per training image. [0.05 from 500 images on]",
    ),
    ("--data-root", "data.data_root", "Where downloaded sets are kept."),
]
RUN: Sequence[Flag] = [
    ("--seed", "run.seed", "Start of all random streams. [0]"),
    ("--device", "run.device", "auto, cpu, cuda or mps. [auto]"),
]


def config_options(
    flags: Sequence[Flag],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorates a command with the flags, in this order; their values go to `flag_layers`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for flag, key, text in reversed(flags):
            command = click.option(flag, key.replace(".", "__"), default=None, help=text)(command)
        return command

    return decorate


def flag_layers(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The flags that were given, each as nested settings.

    Args:
        values: As `config_options` hands them to the command, None for those not given.
    """
    layers = []
    for name, value in values.items():
        section, _, key = name.partition("__")
        layers += [] if value is None else [{section: {key: value}}]
    return layers
