"""`adavit`: the group of commands."""

import importlib

import click

from adavit.cli.errors import run_and_exit
from adavit.runtime.streams import lenient_streams

COMMANDS = {
    "train": "Train a GAN on a folder, a zip or a known set; resume a run.",
    "pretrain": "Teach the trunk of a ViT discriminator to predict hidden patches.",
    "generate": "Draw images from a trained generator.",
    "evaluate": "Score a run, a generator or images: FID, KID and others.",
    "compare": "Put the scores of runs side by side, if their protocols agree.",
    "memorisation": "Find the training images that generated ones come closest to.",
    "leaks": "Estimate how many generated images show an augmentation.",
    "inspect": "Show what the discriminator looks at.",
    "ablate": "Train every cell of a grid of settings.",
    "sweep": "Search settings for the best score.",
    "report": "Write runs as one HTML page to look at.",
    "runs": "List runs with their best figures.",
    "augment": "Look at augmentations.",
    "cache": "See and empty the folder of decoded images, features and downloads.",
}


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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line per command, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="adavit")
def adavit() -> None:
    """Train GANs on 100 to 10,000 images, with adaptive discriminator augmentation."""


def main() -> None:
    """Entry point of the `adavit` command."""
    with lenient_streams():
        run_and_exit(lambda: adavit.main(standalone_mode=False, prog_name="adavit"))
