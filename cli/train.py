"""`adavit train`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.cli.grouped import GroupedCommand
from adavit.config.layers import Values, build_config, preset_names
from adavit.errors import UserError


@click.command(cls=GroupedCommand)
@options.data
@options.setting("--out", "run.out")
@options.setting("--kimg", "training.total_kimg")
@options.setting("--discriminator", "discriminator.kind")
@options.setting("--init-discriminator", "training.init_discriminator")
@options.image_settings
@options.setting("--cond/--no-cond", "data.cond")
@options.setting("--mirror/--no-mirror", "data.mirror")
@options.setting("--augment", "augment.preset")
@options.setting("--aug", "augment.mode")
@options.setting("--p", "augment.p")
@options.setting("--heuristic", "augment.heuristic")
@options.setting("--target", "augment.target")
@options.setting("--extra", "augment.extra")
@options.setting("--transfer", "training.transfer")
@options.setting("--freeze-d", "training.freeze_d")
@options.setting("--batch", "training.batch")
@options.setting("--microbatch", "training.microbatch")
@options.setting("--precision", "training.precision")
@options.setting("--compile/--no-compile", "training.compile")
@options.setting("--metrics", "metrics.names")
@options.setting("--extractor", "metrics.extractor")
@options.setting("--inception-weights", "metrics.inception_weights")
@options.setting("--fakes", "metrics.fakes")
@options.setting("--metric-data", "metrics.reference")
@options.setting("--patience", "metrics.patience_kimg")
@options.run_settings
@options.setting("--keep", "run.keep_checkpoints")
@click.option(
    "--preset",
    metavar="NAME",
    shell_complete=completion.presets,
    help="Settings shipped with adavit: " + ", ".join(preset_names()) + ".",
)
@options.config
@options.assignments("One setting, for example --set training.r1_gamma=0.1; may be repeated.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    shell_complete=completion.runs,
    help="Continue the run in this directory.",
)
@click.option(
    "--dry-run", is_flag=True, help="Print settings, parameters, memory and time; train nothing."
)
@amount
def command(
    preset: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    resume: Path | None,
    dry_run: bool,
    **settings: Any,
) -> None:
    """Train a GAN on a folder, a zip or a known set of images; continue a run.

    Any other setting goes by --set or into a file for --config; adavit settings prints them all.

    \b
    adavit train --data small_set
    adavit train --data my_photos.zip --kimg 200
    adavit train --resume runs/00000-small_set-resnet-bgc
    """  # noqa: D301  click looks for the character itself
    layers = options.setting_layers(settings, preset=preset, config=config, assignments=assignments)
    if resume is not None:
        _resume(resume, layers, dry_run=dry_run)
        return
    if not any("source" in (layer.get("data") or {}) for layer in layers):
        raise click.UsageError(
            "there are no images to train on, expected --data with a folder, a zip or a name. For a"
            " demonstration use adavit train --data small_set; to go on with a run, --resume RUN."
        )
    built = build_config(layers)
    # Torch takes seconds: first comes whatever can be wrong without it.
    from adavit.training.plan import describe_plan
    from adavit.training.train import train

    with console_for() as console:
        if dry_run:
            click.echo(describe_plan(built, console))
        else:
            train(built, console=console)


def _resume(run: Path, layers: list[Values], *, dry_run: bool) -> None:
    if dry_run:
        raise UserError(
            "--dry-run and --resume were both given, expected one of them. Leave one out."
        )
    from adavit.training.train import resume

    with console_for() as console:
        resume(run, layers, console=console)
