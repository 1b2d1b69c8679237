"""`adavit pretrain`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import options
from adavit.cli.consoles import console_for
from adavit.pretraining.pretrain import build_pretrain_config, pretrain, resume_pretraining


@click.command()
@options.data
@options.setting("--out", "run.out", "The directory. [runs/NUMBER-...]")
@options.setting(
    "--kimg",
    "pretraining.total_kimg",
    "Length in thousands of images. [200, on a CPU 50]",
)
@options.image_settings
@options.setting("--batch", "pretraining.batch", "Images per step. [64]")
@options.run_settings
@options.config
@options.assignments("One setting: --set discriminator.width=192.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    help="Go on with the pre-training in this directory.",
)
def command(
    config: Path | None, assignments: tuple[str, ...], resume: Path | None, **settings: Any
) -> None:
    """Train the trunk of a ViT discriminator to predict hidden patches.

    \b
    adavit pretrain --data my_photos.zip --out pretrained
    adavit pretrain --resume pretrained
    adavit train --data my_photos.zip --discriminator vit --init-discriminator pretrained/trunk.safetensors
    """  # noqa: D301  click looks for the character itself
    layers = options.setting_layers(settings, config=config, assignments=assignments)
    with console_for() as console:
        if resume is not None:
            resume_pretraining(resume, layers, console=console)
        else:
            pretrain(build_pretrain_config(layers), console=console)
