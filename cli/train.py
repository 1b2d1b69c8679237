"""`adavit train`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.cli.grouped import GroupedCommand
from adavit.config.layers import Values, build_config, preset_names
from adavit.data.known_names import check_source
from adavit.errors import UserError


@click.command(cls=GroupedCommand)
@options.data
@options.setting("--out")
@options.setting("--kimg")
@options.setting("--discriminator")
@options.setting("--features")
@options.setting("--init-discriminator")
@options.image_settings
@options.setting("--cond/--no-cond")
@options.setting("--mirror/--no-mirror")
@options.setting("--augment")
@options.setting("--aug")
@options.setting("--p")
@options.setting("--heuristic")
@options.setting("--target")
@options.setting("--extra")
@options.setting("--transfer")
@options.setting("--freeze-d")
@options.setting("--batch")
@options.setting("--microbatch")
@options.setting("--precision")
@options.setting("--compile/--no-compile")
@options.setting("--deterministic/--no-deterministic")
@options.setting("--metrics")
@options.setting("--extractor")
@options.setting("--inception-weights")
@options.setting("--fakes")
@options.setting("--metric-data")
@options.setting("--patience")
@options.run_settings
@options.setting("--keep")
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
    help="Continue the run in this directory; on a CPU it ends with the bits of one that was never stopped.",
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
    """
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
    check_source(built.data.source)
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
