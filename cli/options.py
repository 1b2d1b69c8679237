"""Options that several commands share: each is a decorator, and a command lists its own in the order of its help.

An option that names a setting (`setting`) has no default here: those live in `adavit.config.run` and its neighbours.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from adavit.config.layers import Values, parse_assignment, read_config_file, read_preset
from adavit.config.section import SEED_END

Command = Callable[..., None]
Option = Callable[[Command], Command]


def setting(flag: str, key: str, text: str, **keywords: Any) -> Option:
    """An option that is a name for a key of the configuration; `setting_layers` takes its value.

    Args:
        flag: Such as "--batch", or "--cond/--no-cond" for a switch.
        key: Such as "training.batch".
        text: Of the help.
        keywords: Of `click.option`.
    """
    return click.option(flag, key.replace(".", "__"), help=text, **{"default": None, **keywords})


def in_order(*options: Option) -> Option:
    """Several options as one, in the order of the help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def setting_layers(
    settings: Mapping[str, Any],
    *,
    preset: str | None = None,
    config: Path | None = None,
    assignments: tuple[str, ...] = (),
) -> list[Values]:
    """All settings that a command was given, as layers of the configuration, weakest first.

    Args:
        settings: Of the options made by `setting`, None for those not given.
        preset: Of --preset.
        config: Of --config.
        assignments: Of --set.

    Raises:
        UserError: If there is no such preset or file, or an assignment is none.
    """
    layers = [] if preset is None else [read_preset(preset)]
    layers += [] if config is None else [read_config_file(config)]
    layers += [parse_assignment(text) for text in assignments]
    for name, value in settings.items():
        section, _, key = name.partition("__")
        layers += [] if value is None else [{section: {key: value}}]
    return layers


def words(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Callback of an option that takes a list with commas; None stays, for what was not given."""
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def assignments(text: str) -> Option:
    """--set, with its help."""
    return click.option("--set", "assignments", multiple=True, help=text)


config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings from a YAML file; relative paths in it begin where the command is called.",
)

# Settings of the commands that train.
data = setting(
    "--data",
    "data.source",
    "A folder, a zip, or a name: small_set, cifar10, cifar100, stl10, flowers102.",
)
follow_links = setting(
    "--follow-links/--no-follow-links",
    "data.follow_links",
    "Also take what links out of the data's folder lead to. [no]",
)
image_settings = in_order(
    setting(
        "--resolution",
        "data.resolution",
        "Side in pixels: 16, 32, 64, ... [what fits the images and the device]",
    ),
    setting("--channels", "data.channels", "auto, grey, rgb or rgba. [auto]"),
    setting("--frames", "data.frames", "first or all frames of GIF, TIFF, WebP, PNG. [first]"),
    setting(
        "--scale-16bit",
        "data.scale_16bit",
        "White of 16-bit images: auto (as files declare), full (65535) or set (one for all). [auto]",
    ),
    setting("--subset", "data.subset", "Train on this many images, drawn with the seed. [all]"),
    setting(
        "--val-fraction",
        "data.val_fraction",
        "Held-out images per training image: of 40, 0.5 holds out 13. [0.05 from 500 images on]",
    ),
    setting("--data-root", "data.data_root", "Where downloaded sets are kept."),
    follow_links,
)
run_settings = in_order(
    setting("--seed", "run.seed", "Start of all random streams. [0]"),
    setting("--device", "run.device", "auto, cpu, cuda or mps. [auto]"),
)

# Options of the commands that look at what a run made.
which = click.option(
    "--which", type=click.Choice(["best", "last"]), help="Generator of a run. [best]"
)
inception_weights = click.option(
    "--inception-weights", type=click.Path(path_type=Path), help="Inception's weights as a file."
)
seed = click.option(
    "--seed", type=click.IntRange(0, SEED_END - 1), help="Start of the random stream. [the run's]"
)
data_root = click.option(
    "--data-root", type=click.Path(path_type=Path), help="Where downloaded sets are kept."
)
device = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True
)
diagnostics_data = click.option("--data", help="Real images. [those the run was trained on]")
diagnostics_fakes = click.option(
    "--fakes", type=click.IntRange(min=1), help="Generated images. [as in training]"
)
diagnostics_out = click.option(
    "--out", type=click.Path(path_type=Path), help="Folder. [RUN/diagnostics]"
)
diagnostics_place = in_order(seed, diagnostics_out, data_root, device)


def experiment(default_out: str) -> Option:
    """Options of the commands that train many runs.

    Args:
        default_out: Ends the help of --out.
    """
    return in_order(
        setting("--data", "data.source", "A folder, a zip, or a name, in place of the file's."),
        assignments("One setting of all runs: --set training.batch=16."),
        click.option(
            "--out", type=click.Path(path_type=Path), help=f"Where the runs go. {default_out}"
        ),
        click.option("--workers", type=click.IntRange(min=1), help="Processes. [one per device]"),
        click.option(
            "--devices", default="", callback=words, help="cpu, cuda or cuda:0,cuda:1; in turn."
        ),
        click.option(
            "--storage",
            help="Database URL of the queue: postgresql+psycopg://... [a file in --out]",
        ),
        click.option("--retry-failed", is_flag=True, help="Take up again what has failed before."),
        click.option("--dry-run", is_flag=True, help="Show what would be run; train nothing."),
    )
