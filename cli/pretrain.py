"""`adavit pretrain`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from adavit.pretraining.pretrain import pretrain
from adavit.pretraining.settings import build_pretrain_config
from adavit.settings import parse_assignment, read_config_file
from cli.consoles import console_for

# Flag, key of the configuration, help. Defaults live in adavit.config_pretraining.
FLAGS: list[tuple[str, str, str]] = [
    (
        "--data",
        "data.source",
        "A folder, a zip, or a name: small_set, cifar10, cifar100, stl10, flowers102.",
    ),
    ("--out", "run.out", "The directory. [runs/NUMBER-...]"),
    (
        "--kimg",
        "pretraining.total_kimg",
        "Length in thousands of images. [200, on a CPU 50]",
    ),
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
    ("--batch", "pretraining.batch", "Images per step. [64]"),
    ("--seed", "run.seed", "Start of all random streams. [0]"),
    ("--device", "run.device", "auto, cpu, cuda or mps. [auto]"),
]


def _config_options(command: Callable[..., None]) -> Callable[..., None]:
    for flag, key, text in reversed(FLAGS):
        command = click.option(flag, key.replace(".", "__"), default=None, help=text)(command)
    return command


@click.command()
@_config_options
@click.option("--config", type=click.Path(path_type=Path), help="Settings from a YAML file.")
@click.option(
    "--set", "assignments", multiple=True, help="One setting: --set discriminator.width=192."
)
def command(config: Path | None, assignments: tuple[str, ...], **flags: Any) -> None:
    """Train the trunk of a ViT discriminator to predict hidden patches.

    \b
    adavit pretrain --data my_photos.zip --out pretrained
    adavit train --data my_photos.zip --discriminator vit --init-discriminator pretrained/trunk.safetensors
    """  # noqa: D301  click looks for the character itself
    layers = [] if config is None else [read_config_file(config)]
    layers += [parse_assignment(text) for text in assignments]
    for name, value in flags.items():
        section, _, key = name.partition("__")
        layers += [] if value is None else [{section: {key: value}}]
    with console_for() as console:
        pretrain(build_pretrain_config(layers), console=console)
