"""`adavit pretrain`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli.config_options import DATA, IMAGES, RUN, Flag, config_options, flag_layers
from adavit.cli.consoles import console_for
from adavit.config.layers import parse_assignment, read_config_file
from adavit.pretraining.pretrain import pretrain
from adavit.pretraining.settings import build_pretrain_config

FLAGS: list[Flag] = [
    DATA,
    ("--out", "run.out", "The directory. [runs/NUMBER-...]"),
    (
        "--kimg",
        "pretraining.total_kimg",
        "Length in thousands of images. [200, on a CPU 50]",
    ),
    *IMAGES,
    ("--batch", "pretraining.batch", "Images per step. [64]"),
    *RUN,
]


@click.command()
@config_options(FLAGS)
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
    layers += flag_layers(flags)
    with console_for() as console:
        pretrain(build_pretrain_config(layers), console=console)
