"""`adavit`: the group of commands."""

import difflib
import importlib
import os
import re
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from adavit.cli.errors import run_and_exit
from adavit.errors import RunError, UserError
from adavit.runtime.place import Place
from adavit.runtime.slurm import tasks_of_srun
from adavit.runtime.streams import lenient_streams

COMMANDS = {
    "train": "Train a GAN on a folder, a zip or a known set; resume a run.",
    "pretrain": "Teach the trunk of a ViT discriminator to predict hidden patches.",
    "import": "Bring in a network pickle of StyleGAN2 without running it.",
    "generate": "Draw images from a trained generator.",
    "interpolate": "Film a closed loop through the images of seeds.",
    "mix": "Draw images with some layers' styles from other seeds.",
    "directions": "Find directions that change images, and show them.",
    "project": "Find the styles with which a generator draws your image.",
    "studio": "Explore a generator in a browser, on this machine alone.",
    "export": "Write a generator as ONNX, TorchScript or a program of torch.export.",
    "card": "Write the page of a generator for a hub of models.",
    "publish": "Send a generator and its page to a hub of models.",
    "evaluate": "Score a run, a generator or images: FID, KID and others.",
    "compare": "Put the scores of runs side by side, if their protocols agree.",
    "memorisation": "Find the training images that generated ones come closest to.",
    "leaks": "Estimate how many generated images show an augmentation.",
    "inspect": "Show what the discriminator looks at.",
    "ablate": "Train every cell of a grid of settings.",
    "sweep": "Search settings for the best score.",
    "report": "Write runs as one HTML page to look at.",
    "runs": "List runs with states and best figures; prune them.",
    "data": "Check images before training; clean, crop and draw from them.",
    "augment": "Look at augmentations.",
    "doctor": "Look whether this machine can train, and what holds it back.",
    "presets": "List the presets, or show one.",
    "metrics": "List the metrics.",
    "grids": "List the grids and sweeps.",
    "settings": "Print every setting with its range, its default and its meaning.",
    "cache": "See and empty the folder of decoded images, features and downloads.",
}

OF_MANY_PROCESSES = frozenset(
    ("train", "compare", "runs", "doctor", "presets", "metrics", "grids", "settings", "cache")
)
"""Commands that torchrun or srun may start several times at once: a run, which they share, and what does but look."""

REMOVING = frozenset((("runs", "prune"), ("cache", "clear")))
"""Those parts of them that do more than look."""

_EXTRA = re.compile(r"Got unexpected extra arguments? \(.*\)")
_WORDS = "adavit.words"
"""Key of the words behind the name of the command, in the context's own store."""


class LazyGroup(click.Group):
    """Imports a command when it is called, so that --help does not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"adavit.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is asked for; for a mistyped one, the one that was meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"Did you mean {near[0]}?" if near else "adavit --help lists them."
            raise click.UsageError(f"there is no command {name!r}. {hint}", ctx)
        if not ctx.resilient_parsing:
            _check_alone(args)
        ctx.meta[_WORDS] = args[1:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Calls the command; what its errors advise are options that it has."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            name, command_name = error.option_name, ctx.invoked_subcommand
            called = error.ctx or ctx  # a part of a group, such as adavit data crop
            key, value = _setting_of(name)
            if command_name == "train" or key is None:
                raise
            remedy = "Leave it out"
            if f"{name}s" in _options(called.command):
                remedy = f"Use {name}s {value}"
            elif _takes_by_set(command_name, key):
                remedy = f"Use --set {key}={value}"
            raise click.UsageError(
                f"{name} is an option of adavit train, which {called.command_path} does not have."
                f" {remedy}.",
                error.ctx,
            ) from None
        except click.UsageError as error:
            extra = _extra_words(ctx, error)
            if extra is None:
                raise
            raise click.UsageError(
                f"{extra}. An option takes one word: write several values with commas and no"
                " spaces, such as --seeds 3,14,15, and a path with spaces in quotes.",
                error.ctx,
            ) from None
        except (RunError, UserError) as error:
            known = self._options_of_called(ctx)
            if "--set" not in known:
                raise
            from adavit.config.short_names import in_keys  # for errors alone: it takes a while

            error.args = (in_keys(str(error), known),)
            raise

    def _options_of_called(self, ctx: click.Context) -> set[str]:
        command = self.get_command(ctx, ctx.invoked_subcommand or "")
        return set() if command is None else _options(command)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and options, without importing any command."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        fitting = [item for item in COMMANDS.items() if item[0].startswith(incomplete)]
        return [CompletionItem(name, help=text) for name, text in fitting]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line per command, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _check_alone(args: Sequence[str]) -> None:
    """Refuses several processes where each would do the same at the same place.

    Raises:
        UserError: If torchrun or srun has started several.
    """
    size, tasks = Place.here().size, tasks_of_srun(os.environ)
    name = " ".join(args[:2] if tuple(args[:2]) in REMOVING else args[:1])
    if name in OF_MANY_PROCESSES:
        return
    if size > 1:
        raise UserError(
            f"adavit {name} is one process, but WORLD_SIZE says that torchrun has started {size}, expected one. Start"
            " it without torchrun; where nothing was started by it, unset RANK and WORLD_SIZE."
        )
    if tasks != "1":
        raise UserError(
            f"adavit {name} is one process, but srun has started {tasks} tasks, expected one. Start it by srun"
            " --ntasks=1; where it is called by one of them alone, unset SLURM_STEP_NUM_TASKS."
        )


def _extra_words(ctx: click.Context, error: click.UsageError) -> str | None:
    """What click says of words that belong to no option, also where it has found something missing before."""
    if _EXTRA.fullmatch(error.message):
        return error.message
    called = error.ctx
    if not isinstance(error, click.MissingParameter) or called is None or called.parent is not ctx:
        return None
    _, extra, _ = called.command.make_parser(called).parse_args(list(ctx.meta[_WORDS]))
    return f"Got unexpected extra arguments ({' '.join(extra)})" if extra else None


def _setting_of(flag: str) -> tuple[str | None, str]:
    """The setting that a flag of `adavit train` is a name for, and its value; None of any other."""
    from adavit.config.settings import settings_of
    from adavit.config.short_names import SHORT_NAMES

    word = flag.lstrip("-").replace("-", "_")
    if word in SHORT_NAMES:
        return SHORT_NAMES[word], "VALUE"
    key = SHORT_NAMES.get(word.removeprefix("no_"))
    is_switch = key is not None and settings_of()[key].values == "true|false"
    return (key, "false") if is_switch else (None, "")


def _takes_by_set(command_name: str | None, key: str) -> bool:
    """Whether a command without an option for a setting takes it by --set."""
    if command_name == "pretrain":
        from adavit.config.pretraining import PretrainConfig
        from adavit.config.settings import settings_of

        return key in settings_of(PretrainConfig)
    if command_name == "augment":
        return key.startswith("data.")  # of the others it has its own options, or no use
    from adavit.experiments.experiment_file import NOT_OF_SEVERAL_RUNS

    return command_name in ("ablate", "sweep") and key not in NOT_OF_SEVERAL_RUNS


def _options(command: click.Command) -> set[str]:
    if isinstance(command, click.Group):
        return set().union(*map(_options, command.commands.values()))
    return {flag for parameter in command.params for flag in parameter.opts}


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="adavit")
def adavit() -> None:
    """Train GANs on 100 to 10,000 images, with adaptive discriminator augmentation.

    \b
    adavit train --data small_set
    adavit train --help
    """


def main() -> None:
    """Entry point of the `adavit` command; NO_COLOR takes colours away, as rich does by itself."""
    color = False if os.environ.get("NO_COLOR") else None  # None: where there is a terminal
    with lenient_streams():
        run_and_exit(lambda: adavit.main(standalone_mode=False, prog_name="adavit", color=color))
