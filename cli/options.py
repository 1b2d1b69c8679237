"""Options that several commands share: each is a decorator, and a command lists its own in the order of its help.

An option that names a setting (`setting`) has no default here: those live in `adavit.config.run` and its neighbours.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from adavit.cli import completion
from adavit.cli.finite_range import FiniteRange
from adavit.cli.grouped import SettingOption
from adavit.config.layers import Layer, Values, parse_assignment, read_config_file, read_preset
from adavit.config.pretraining import PretrainConfig
from adavit.config.section import SEED_END
from adavit.config.settings import Setting, settings_of
from adavit.config.short_names import key_of_flag
from adavit.data.known_names import NAMES
from adavit.errors import UserError
from adavit.runtime.device_names import DEVICES, checked_device
from adavit.styles.numbers import DirectionStep

WIDEST_METAVAR = 28
"""Characters of a list of choices that still stands beside a flag."""

Command = Callable[..., None]
Option = Callable[[Command], Command]


def setting(
    flag: str, key: str | None = None, meaning: str | None = None, **keywords: Any
) -> Option:
    """An option that is a name for a key of the configuration; `setting_layers` takes its value.

    Type, range, default and meaning in the help are those that the configuration declares.

    Args:
        flag: Such as "--batch", or "--cond/--no-cond" for a switch.
        key: Such as "pretraining.batch"; None is the one that `adavit train` has by that flag.
        meaning: Replaces the declared meaning and default.
        keywords: Of `click.option`.
    """
    key = key_of_flag(flag) if key is None else key
    shown = {**settings_of(PretrainConfig), **settings_of()}[key]
    if "/" not in flag and "type" not in keywords:
        keywords = {"metavar": _metavar(shown), **keywords}
    offered = {"TEXT": completion.data, "PATH": completion.files}.get(shown.values)
    complete = offered or partial(completion.choices, shown.choices)
    return click.option(
        flag,
        key.replace(".", "__"),
        cls=SettingOption,
        help=_help(shown) if meaning is None else meaning,
        shell_complete=complete,
        **{"default": None, **keywords},
    )


def _metavar(shown: Setting) -> str:
    return shown.values if len(shown.values) <= WIDEST_METAVAR else "NAME"


def _help(shown: Setting) -> str:
    named = _metavar(shown) != "NAME"
    listed = "" if named or not shown.choices else f" One of {', '.join(shown.choices)}."
    default = "no" if shown.default == "false" else shown.default
    facts = [f"default: {default}", *([shown.bounds] if shown.bounds else [])]
    return f"{shown.meaning}{listed}  [{'; '.join(facts)}]"


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
    flags = _flags()
    for name, value in settings.items():
        section, _, key = name.partition("__")
        layers += [] if value is None else [Layer({section: {key: value}}, flags.get(name, name))]
    return layers


def check_images_are_named(layers: Sequence[Values], command: str) -> None:
    """Refuses to train `command` on small_set for someone who forgot to name their own images.

    Raises:
        click.UsageError: If none of the layers of `setting_layers` names any.
    """
    if not any("source" in (layer.get("data") or {}) for layer in layers):
        raise click.UsageError(
            "there are no images to train on, expected --data with a folder, a zip or a name. For a"
            f" demonstration use adavit {command} --data small_set; to go on, --resume RUN."
        )


def _flags() -> dict[str, str]:
    """The flag of each option of the command that is called, by its name."""
    context = click.get_current_context(silent=True)
    parameters = [] if context is None else context.command.params
    return {each.name: each.opts[0] for each in parameters if each.name is not None}


def words(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Callback of an option that takes a list with commas; None stays, for what was not given."""
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """As `words`, of numbers."""
    try:
        return None if value is None else [float(part) for part in value.split(",")]
    except ValueError:
        flag = parameter.opts[0]
        raise UserError(
            f"{flag} is {value!r}, expected numbers with commas between. Write for example {flag} 0.5,0.5,0.5."
        ) from None


def assignments(text: str) -> Option:
    """--set, with its help."""
    return click.option("--set", "assignments", multiple=True, help=text)


config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings from a YAML file; relative paths in it begin where the command is called. adavit settings"
    " prints what there is.",
    shell_complete=completion.files,
)

# Settings of the commands that train.
data = setting("--data", meaning=f"A folder, a zip, or a name: {', '.join(NAMES)}.")
follow_links = setting("--follow-links/--no-follow-links")
frames, scale_16bit = setting("--frames"), setting("--scale-16bit")
fit = setting("--fit")
image_settings = in_order(
    setting("--resolution"),
    fit,
    setting("--channels"),
    frames,
    scale_16bit,
    setting("--subset"),
    setting("--val-fraction"),
    setting("--data-root"),
    follow_links,
)
reading = in_order(frames, scale_16bit, follow_links)
run_settings = in_order(setting("--seed"), setting("--device"))

# Options of the commands that look at what a run made.
which = click.option(
    "--which",
    type=click.Choice(["best", "last"]),
    help="Which generator of a run.  [default: best]",
)
truncation = click.option(
    "--truncation",
    type=FiniteRange(0, 2),
    help="1 leaves styles as they are; below 1 images are more alike and cleaner.  [default: 1]",
)
class_name = click.option(
    "--class",
    "class_name",
    help="Class by name or number, for all images.  [default: drawn by the seed]",
)
labels = click.option(
    "--labels",
    type=click.Choice(["shares", "even"]),
    help="How classes are drawn: as often as in the training images, or all with equal chance.  [default: shares]",
)
noise_of_seeds = click.option(
    "--noise",
    type=click.Choice(["seed", "fixed", "none"]),
    default="seed",
    show_default=True,
    help="Noise at each pixel, where the generator has any: by the seed, the same for all, or none.",
)
direction_steps = click.option(
    "--direction",
    "steps",
    metavar="FILE:NUMBER=AMOUNT",
    multiple=True,
    callback=lambda _context, _parameter, given: [DirectionStep.parse(text) for text in given],
    help="Step along a direction that adavit directions has found, in standard deviations, such as"
    " directions.safetensors:2=1.5; may be repeated.",
)
styles = click.option(
    "--styles",
    metavar="FILE|FOLDER",
    multiple=True,
    type=click.Path(path_type=Path),
    shell_complete=completion.files,
    help="Styles that adavit project or the studio has written, drawn after those of the seeds with the fixed noise; a"
    " folder gives all in it and in its folders; may be repeated.",
)
inception_weights = click.option(
    "--inception-weights",
    type=click.Path(path_type=Path),
    help="Inception's weights as a file.  [default: torch-fidelity's own download]",
)
seed = click.option(
    "--seed",
    type=click.IntRange(0, SEED_END - 1),
    help="Start of the random stream.  [default: the run's]",
)
data_root = click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    help="Where downloaded data sets are kept.  [default: the cache folder]",
)
device = click.option(
    "--device",
    metavar=f"[{'|'.join(DEVICES)}]",
    callback=lambda _context, _parameter, name: checked_device(name, "--device"),
    shell_complete=partial(completion.choices, DEVICES),
    default="auto",
    show_default=True,
    help="What calculates; auto is cuda where there is one, else cpu.",
)
diagnostics_data = click.option(
    "--data",
    shell_complete=completion.data,
    help="Real images.  [default: those that the run was trained on]",
)
diagnostics_fakes = click.option(
    "--fakes",
    type=click.IntRange(min=1),
    help="Number of generated images.  [default: as in training]",
)
diagnostics_out = click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for what is written.  [default: RUN/diagnostics]",
)
projection_features = click.option(
    "--features",
    metavar="LIBRARY:NAME[:FILE]",
    help="Network that images are compared in, as for adavit train, or lpips-vgg16; pixels count beside it."
    "  [default: LPIPS if its weights are there, else the run's --features, else its discriminator]",
)
feature_colours = in_order(
    click.option(
        "--features-mean",
        metavar="R,G,B",
        callback=numbers,
        help="Colour from 0 to 1 that is 0 to that network, where its weights were trained with another than the"
        " published ones.  [default: features.mean of a run that was trained with it]",
    ),
    click.option(
        "--features-std",
        metavar="R,G,B",
        callback=numbers,
        help="What is 1 to it.  [default: features.std likewise]",
    ),
)
projections_out = click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for what is written.  [default: RUN/projections]",
)
diagnostics_place = in_order(seed, diagnostics_out, data_root, device)


def scale(what: str, default: str) -> Option:
    """--scale, with its help.

    Args:
        what: The picture whose pixels it is about.
        default: What is done without.
    """
    return click.option(
        "--scale",
        type=click.IntRange(1, 64),
        help=f"Side of a square that each pixel becomes in {what}.  [default: {default}]",
    )


def experiment(default_out: str) -> Option:
    """Options of the commands that train many runs.

    Args:
        default_out: Ends the help of --out.
    """
    return in_order(
        setting("--data", meaning="A folder, a zip, or a name, in place of the file's."),
        assignments(
            "One setting of all runs, for example --set training.batch=16; may be repeated."
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            help=f"Folder for the runs.  [default: {default_out}]",
        ),
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            help="Runs at a time.  [default: one per device, or one per --processes devices]",
        ),
        click.option(
            "--processes",
            type=click.IntRange(min=1),
            help="Processes that train each run together, one for each GPU; they change nothing in it, but share its"
            " slices (--set training.microbatch).  [default: 1]",
        ),
        click.option(
            "--devices",
            default="",
            callback=words,
            help="Devices that the runs take in turn, each as many as it has processes: cpu, cuda or cuda:0,cuda:1.",
        ),
        click.option(
            "--storage",
            help="Database URL of the queue: postgresql+psycopg://...  [default: a file in --out]",
        ),
        click.option("--retry-failed", is_flag=True, help="Try again what has failed before."),
        click.option("--dry-run", is_flag=True, help="Show what would be run; train nothing."),
    )
