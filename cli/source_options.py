"""Options of the commands that look at what a run made: decorators, put together in the order of each help text."""

from pathlib import Path

import click

which = click.option(
    "--which", type=click.Choice(["best", "last"]), help="Generator of a run. [best]"
)
inception_weights = click.option(
    "--inception-weights", type=click.Path(path_type=Path), help="Inception's weights as a file."
)
seed = click.option(
    "--seed", type=click.IntRange(min=0), help="Start of the random stream. [the run's]"
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
