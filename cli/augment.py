"""`adavit augment`: augmentations to look at."""

from pathlib import Path
from typing import Any

import click

from adavit.cli.consoles import console_for
from adavit.config.layers import build_config, parse_assignment
from adavit.diagnostics.augmentation_preview import preview as draw_preview
from adavit.generation.sampling import png_bytes
from adavit.runtime.files import write_bytes


@click.group()
def command() -> None:
    """Look at augmentations."""


@command.command()
@click.option("--data", "source", required=True, help="A folder, a zip, or a name, as for train.")
@click.option(
    "--augment", "preset", help="Operations: blit, geom, color, ..., bgc, ..., diffaug. [bgc]"
)
@click.option("--extra", help="Operations of kornia besides: RandomElasticTransform,RandomHue.")
@click.option(
    "--p",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Probability of the random draws.",
)
@click.option("--set", "assignments", multiple=True, help="One setting: --set augment.rotate90=0.")
@click.option("--resolution", help="Side in pixels. [what fits the images]")
@click.option("--seed", type=click.IntRange(min=0), help="Which images and draws. [0]")
@click.option("--data-root", help="Where downloaded sets are kept.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("preview.png"),
    show_default=True,
    help="The picture, a PNG.",
)
def preview(
    source: str,
    preset: str | None,
    extra: str | None,
    p: float,
    assignments: tuple[str, ...],
    resolution: str | None,
    seed: int | None,
    data_root: str | None,
    out: Path,
) -> None:
    """Draw what each operation does to your images: a row per operation, and random draws.

    \b
    adavit augment preview --data my_photos --augment bgc --p 0.5 -o preview.png
    adavit augment preview --data my_photos --set augment.rotate90=0 --set augment.hue=0
    """  # noqa: D301  click looks for the character itself
    flags: dict[str, dict[str, Any]] = {
        "data": {"source": source, "resolution": resolution, "data_root": data_root},
        "augment": {"preset": preset, "extra": extra},
        "run": {"seed": seed},
    }
    given = {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in flags.items()
    }
    # diffaug has no probability, which the configuration of a training run has to say.
    fixed = {"augment": {"mode": "fixed", "p": 1}} if preset == "diffaug" else {}
    config = build_config([fixed, *map(parse_assignment, assignments), given])
    with console_for(err=True) as console:
        picture = draw_preview(config, p=p, console=console)
    write_bytes(out, png_bytes(picture))
    click.echo(f"Wrote {out}.")
