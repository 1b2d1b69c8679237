"""`adavit augment`: augmentations to look at."""

from pathlib import Path
from typing import Any

import click

from adavit.augment.presets import DIFFAUG
from adavit.cli import options
from adavit.cli.consoles import amount, console_for
from adavit.cli.finite_range import FiniteRange
from adavit.cli.grouped import GroupedCommand
from adavit.config.layers import build_config, merge
from adavit.data.known_names import check_source
from adavit.runs.records import check_writable
from adavit.runtime.files import write_bytes
from adavit.runtime.paths import check_png, takes_paths

USUAL_P = 0.5


@click.group()
def command() -> None:
    """Look at augmentations.

    \b
    adavit augment preview --data my_photos --augment bgc
    """


@command.command(cls=GroupedCommand)
@options.setting("--data", meaning="A folder, a zip, or a name, as for train.", required=True)
@options.setting("--augment")
@options.setting("--extra")
@click.option(
    "--p",
    type=FiniteRange(0, 1),
    help="Probability of the random draws; diffusion is shown as strong as it makes it.  [default: augment.p where it"
    f" is given, else {USUAL_P}]",
)
@options.assignments("One setting, for example --set augment.rotate90=0; may be repeated.")
@options.setting("--resolution")
@options.fit
@options.setting("--seed", type=click.IntRange(min=0))
@options.setting("--data-root")
@options.reading
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("preview.png"),
    show_default=True,
    help="The picture, a PNG.",
)
@takes_paths("out")
@amount
def preview(p: float | None, assignments: tuple[str, ...], out: Path, **settings: Any) -> None:
    """Draw what each operation does to your images: a row per operation, and random draws.

    \b
    adavit augment preview --data my_photos --augment bgc --p 0.5 -o preview.png
    adavit augment preview --data my_photos --set augment.rotate90=0 --set augment.hue=0
    """
    check_png(out)
    check_writable(out)
    layers = options.setting_layers(settings, assignments=assignments)
    given = merge(*layers).get("augment") or {}
    always_on = given.get("preset") == DIFFAUG
    if given.get("mode", "fixed" if always_on else "ada") in ("fixed", "scheduled"):
        # A training run has to be told its p, and diffaug has none but 1.
        layers = [{"augment": {"mode": "fixed", "p": 1 if always_on else USUAL_P}}, *layers]
        layers += [] if p is None or always_on else [{"augment": {"p": p}}]
    config = build_config(layers)
    if p is None:
        p = USUAL_P if config.augment.p is None else config.augment.p
    check_source(config.data.source)
    from adavit.diagnostics.augmentation_preview import preview as draw_preview
    from adavit.runtime.pictures import result_png

    with console_for(err=True) as console:
        picture = draw_preview(config, p=p, console=console)
    write_bytes(out, result_png(picture))
    click.echo(f"Wrote {out}.")
