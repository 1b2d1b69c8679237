"""`adavit train`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli.config_options import DATA, IMAGES, RUN, Flag, config_options, flag_layers
from adavit.cli.consoles import console_for
from adavit.config.layers import (
    build_config,
    parse_assignment,
    preset_names,
    read_config_file,
    read_preset,
)
from adavit.errors import UserError
from adavit.training.plan import describe_plan
from adavit.training.train import resume as resume_run
from adavit.training.train import train

FLAGS: list[Flag] = [
    DATA,
    ("--out", "run.out", "The run directory. [runs/NUMBER-...]"),
    (
        "--kimg",
        "training.total_kimg",
        "Length in thousands of real images, counted from the run's start.",
    ),
    ("--discriminator", "discriminator.kind", "resnet or vit. [resnet]"),
    (
        "--init-discriminator",
        "training.init_discriminator",
        "File of adavit pretrain that a vit discriminator starts from.",
    ),
    *IMAGES,
    (
        "--augment",
        "augment.preset",
        "Operations: blit, geom, color, ..., bgc, ..., bgcfnc, diffaug. [bgc]",
    ),
    (
        "--extra",
        "augment.extra",
        "Operations of kornia besides: RandomElasticTransform:0.5,RandomHue, or a YAML list.",
    ),
    ("--aug", "augment.mode", "ada (p adapts), fixed, scheduled or none. [ada]"),
    ("--p", "augment.p", "The probability, with --aug fixed or scheduled."),
    ("--heuristic", "augment.heuristic", "What steers p: rt, rv or relative. [as the loss asks]"),
    ("--target", "augment.target", "Value of the heuristic to hold. [0.6, for rv 0.5]"),
    (
        "--transfer",
        "training.transfer",
        "Start from the networks of the run in this directory.",
    ),
    (
        "--freeze-d",
        "training.freeze_d",
        "Leave so many of the discriminator's lowest layers as they are. [0]",
    ),
    ("--batch", "training.batch", "Real images per step."),
    ("--microbatch", "training.microbatch", "Images at a time; gradients are accumulated."),
    ("--precision", "training.precision", "auto, float32 or bf16. [auto: bf16 on CUDA]"),
    (
        "--metrics",
        "metrics.names",
        "Of fid,kid; the first decides which generator is best. [fid,kid]",
    ),
    ("--extractor", "metrics.extractor", "inception or random. [inception where its weights are]"),
    ("--inception-weights", "metrics.inception_weights", "Inception's weights as a file."),
    ("--fakes", "metrics.fakes", "Generated images per evaluation. [5000, on a CPU 2000]"),
    ("--metric-data", "metrics.reference", "Data to compare with. [all of --data]"),
    (
        "--patience",
        "metrics.patience_kimg",
        "Stop when the metric has not improved for so many kimg.",
    ),
    *RUN,
]
SWITCHES: list[Flag] = [
    ("--cond/--no-cond", "data.cond", "Condition on the classes (sub-folders or dataset.json)."),
    ("--compile/--no-compile", "training.compile", "Compile the discriminator."),
    ("--mirror/--no-mirror", "data.mirror", "Double the images by flips."),
]


@click.command()
@config_options([*FLAGS, *SWITCHES])
@click.option("--preset", help="Settings shipped with adavit: " + ", ".join(preset_names()) + ".")
@click.option("--config", type=click.Path(path_type=Path), help="Settings from a YAML file.")
@click.option(
    "--set", "assignments", multiple=True, help="One setting: --set training.r1_gamma=0.1."
)
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
    **flags: Any,
) -> None:
    """Train a GAN on small image sets.

    \b
    adavit train --data small_set
    adavit train --data my_photos.zip --kimg 200
    adavit train --resume runs/00000-small_set-resnet-bgc
    """  # noqa: D301  click looks for the character itself
    layers = []
    if preset is not None:
        layers.append(read_preset(preset))
    if config is not None:
        layers.append(read_config_file(config))
    layers += [parse_assignment(text) for text in assignments]
    layers += flag_layers(flags)
    with console_for() as console:
        if dry_run:
            if resume is not None:
                raise UserError(
                    "--dry-run and --resume were both given, expected one of them. Leave one out."
                )
            click.echo(describe_plan(build_config(layers), console))
        elif resume is not None:
            resume_run(resume, layers, console=console)
        else:
            train(build_config(layers), console=console)
