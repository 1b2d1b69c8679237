"""`adavit train`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import options
from adavit.cli.consoles import console_for
from adavit.config.layers import Values, build_config, preset_names
from adavit.errors import UserError


@click.command()
@options.data
@options.setting("--out", "run.out", "The run directory. [runs/NUMBER-...]")
@options.setting(
    "--kimg",
    "training.total_kimg",
    "Length in thousands of real images, counted from the run's start.",
)
@options.setting("--discriminator", "discriminator.kind", "resnet or vit. [resnet]")
@options.setting(
    "--init-discriminator",
    "training.init_discriminator",
    "File of adavit pretrain that a vit discriminator starts from.",
)
@options.image_settings
@options.setting(
    "--augment",
    "augment.preset",
    "Operations: blit, geom, color, ..., bgc, ..., bgcfnc, diffaug. [bgc]",
)
@options.setting(
    "--extra",
    "augment.extra",
    "Operations of kornia besides: RandomElasticTransform:0.5,RandomHue, or a YAML list.",
)
@options.setting("--aug", "augment.mode", "ada (p adapts), fixed, scheduled or none. [ada]")
@options.setting("--p", "augment.p", "The probability, with --aug fixed or scheduled.")
@options.setting(
    "--heuristic", "augment.heuristic", "What steers p: rt, rv or relative. [as the loss asks]"
)
@options.setting("--target", "augment.target", "Value of the heuristic to hold. [0.6, for rv 0.5]")
@options.setting(
    "--transfer",
    "training.transfer",
    "Start from the networks of the run in this directory.",
)
@options.setting(
    "--freeze-d",
    "training.freeze_d",
    "Leave so many of the discriminator's lowest layers as they are. [0]",
)
@options.setting("--batch", "training.batch", "Real images per step.")
@options.setting(
    "--microbatch", "training.microbatch", "Images at a time; gradients are accumulated."
)
@options.setting("--precision", "training.precision", "auto, float32 or bf16. [auto: bf16 on CUDA]")
@options.setting(
    "--metrics",
    "metrics.names",
    "Of fid,kid; the first decides which generator is best. none measures nothing. [fid,kid]",
)
@options.setting(
    "--extractor", "metrics.extractor", "inception or random. [inception where its weights are]"
)
@options.setting(
    "--inception-weights", "metrics.inception_weights", "Inception's weights as a file."
)
@options.setting(
    "--fakes", "metrics.fakes", "Generated images per evaluation. [5000, on a CPU 2000]"
)
@options.setting("--metric-data", "metrics.reference", "Data to compare with. [all of --data]")
@options.setting(
    "--patience",
    "metrics.patience_kimg",
    "Stop when the metric has not improved for so many kimg.",
)
@options.run_settings
@options.setting(
    "--keep", "run.keep_checkpoints", "Checkpoints to keep: the newest and those before it. [2]"
)
@options.setting(
    "--cond/--no-cond", "data.cond", "Condition on the classes (sub-folders or dataset.json)."
)
@options.setting("--compile/--no-compile", "training.compile", "Compile the discriminator.")
@options.setting("--mirror/--no-mirror", "data.mirror", "Double the images by flips.")
@click.option("--preset", help="Settings shipped with adavit: " + ", ".join(preset_names()) + ".")
@options.config
@options.assignments("One setting: --set training.r1_gamma=0.1.")
@click.option(
    "--resume", type=click.Path(path_type=Path), help="Continue the run in this directory."
)
@click.option(
    "--dry-run", is_flag=True, help="Print settings, parameters, memory and time; train nothing."
)
def command(
    preset: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    resume: Path | None,
    dry_run: bool,
    **settings: Any,
) -> None:
    """Train a GAN on small image sets.

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
