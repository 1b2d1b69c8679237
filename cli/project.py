"""`adavit project`."""

from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for


@click.command()
@click.argument("source", shell_complete=completion.runs)
@click.option(
    "--target",
    required=True,
    metavar="FILE|FOLDER",
    shell_complete=completion.data,
    help="An image, or a folder or zip of them: all are searched for together.",
)
@options.projections_out
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Steps of the search.",
)
@click.option(
    "--space",
    type=click.Choice(["w", "w+"]),
    default="w",
    show_default=True,
    help="One style for all layers; or with w+ one for each, which comes nearer to the image and further"
    " from what the generator has learnt.",
)
@click.option(
    "--tune",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Steps by which a copy of the generator is then taught each image (pivotal tuning); 350 are usual.",
)
@options.projection_features
@options.feature_colours
@click.option(
    "--class",
    "class_name",
    help="Class by name or number whose mean style the search begins at.  [default: the mean of all]",
)
@options.which
@options.device
@amount
def command(source: str, target: str, **given: Any) -> None:
    """Find the styles with which SOURCE, a run or a generator file, draws an image of yours.

    Writes for each image w.safetensors (tensor w, a style for each layer), image.png (what is drawn of them),
    compared.png (target and image side by side) and way.gif into a folder of its name, and projections.json.

    \b
    adavit project runs/00000-small_set-resnet-bgc --target photo.jpg
    adavit project runs/00000-small_set-resnet-bgc --target photos --space w+ --tune 350 --out projected
    """
    from adavit.projection.project import project

    with console_for() as console:
        project(source, target, console=console, **given)
