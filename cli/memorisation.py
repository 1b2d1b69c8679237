"""`adavit memorisation`."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for, say_written
from adavit.metrics.extractors.names import EXTRACTORS, ExtractorName, check_extractor


@click.command()
@click.argument("source", shell_complete=completion.runs)
@options.diagnostics_data
@options.diagnostics_fakes
@click.option(
    "--extractor",
    metavar="NAME",
    help=f"Feature network: one of {', '.join(EXTRACTORS)}. FILE is a state dict.  [default: the run's]",
    shell_complete=partial(completion.choices, EXTRACTORS),
)
@options.inception_weights
@click.option(
    "--project",
    type=click.IntRange(min=2),
    metavar="N",
    help="Also search N training and N held-out images in the generator: whether it holds the former.",
)
@options.projection_features
@options.feature_colours
@options.which
@options.diagnostics_place
@amount
def command(
    source: str,
    extractor: ExtractorName | None,
    inception_weights: Path | None,
    project: int | None,
    features: str | None,
    features_mean: tuple[float, ...] | None,
    features_std: tuple[float, ...] | None,
    **given: Any,
) -> None:
    """Find the training images that generated ones come closest to.

    SOURCE is a run, a generator file, or a folder or zip of generated images. How near its images come
    to the training images, in feature space and in pixels, is compared with how near other real
    images come. Images that are in the data twice are listed too.

    Writes memorisation.json and closest_pairs.png.

    \b
    adavit memorisation runs/00000-small_set-resnet-bgc
    adavit memorisation runs/00000-small_set-resnet-bgc --project 50
    adavit memorisation my_fakes.zip --data my_photos.zip --out diagnosis
    """
    if extractor is not None:
        check_extractor(extractor)
    from adavit.diagnostics.diagnosed_images import open_diagnosis
    from adavit.diagnostics.memorisation.diagnosis import memorisation
    from adavit.diagnostics.memorisation.summary import summarise_memorisation
    from adavit.projection.choice import check_features
    from adavit.runs.directory import DiagnosticsFolder

    check_features(features, features_mean, features_std)
    with console_for(err=True) as console:
        diagnosis = open_diagnosis(source, console=console, **given)
        record = memorisation(
            diagnosis,
            extractor=extractor,
            inception_weights=inception_weights,
            project=project,
            features=features,
            features_mean=features_mean,
            features_std=features_std,
        )
    click.echo(summarise_memorisation(record))
    files = DiagnosticsFolder(diagnosis.folder)
    say_written(files.path, [files.memorisation.name, files.closest_pairs.name])
