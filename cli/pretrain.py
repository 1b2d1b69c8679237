"""`adavit pretrain`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.cli.grouped import GroupedCommand
from adavit.config.pretraining import build_pretrain_config
from adavit.data.known_names import check_source


@click.command(cls=GroupedCommand)
@options.data
@options.setting("--out")
@options.setting("--kimg", "pretraining.total_kimg")
@options.image_settings
@options.setting("--batch", "pretraining.batch")
@options.run_settings
@options.config
@options.assignments("One setting, for example --set discriminator.width=192; may be repeated.")
@click.option(
    "--resume",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Go on with the pre-training in this directory; on a CPU it ends with the bits of one never stopped.",
    shell_complete=completion.runs,
)
@amount
def command(
    config: Path | None, assignments: tuple[str, ...], resume: Path | None, **settings: Any
) -> None:
    """Train the trunk of a ViT discriminator to predict hidden patches.

    \b
    adavit pretrain --data my_photos.zip --out pretrained
    adavit pretrain --resume pretrained
    adavit train --data my_photos.zip --discriminator vit --init-discriminator pretrained/trunk.safetensors
    """
    layers = options.setting_layers(settings, config=config, assignments=assignments)
    if resume is not None:
        from adavit.pretraining.pretrain import resume_pretraining

        with console_for() as console:
            resume_pretraining(resume, layers, console=console)
        return
    options.check_images_are_named(layers, "pretrain")
    built = build_pretrain_config(layers)
    check_source(built.data.source)
    from adavit.pretraining.pretrain import pretrain

    with console_for() as console:
        pretrain(built, console=console)
