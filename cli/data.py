"""`adavit data`: a set looked at before it is trained on, and the chores around it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.config.layers import build_config
from adavit.data.files.members import Skipped
from adavit.errors import UserError
from adavit.runs.records import check_writable
from adavit.runtime.files import write_json, write_text
from adavit.runtime.paths import takes_paths
from adavit.runtime.wording import counted

source = click.argument("source", metavar="FOLDER|ZIP|NAME", shell_complete=completion.data)
out = click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A new or empty folder, or a .zip, for the images.",
)


@click.group()
def command() -> None:
    """Check images before they are trained on; clean, crop and draw from them.

    \b
    adavit data check my_photos --html check.html
    """


@command.command()
@source
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a page with pictures.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write all of it as JSON.",
)
@click.option(
    "--write",
    type=click.Path(path_type=Path),
    help="A new or empty folder, or a .zip, for a cleaned set: without broken files and without those that"
    " hold only copies or blank images; the set itself is left as it is.",
)
@options.setting(
    "--resolution", meaning="Side in pixels at which images are compared.  [default: at most 64]"
)
@options.fit
@options.setting("--seed", type=click.IntRange(min=0))
@options.setting("--data-root")
@options.reading
@takes_paths("source", "html", "json_file", "write")
@amount
def check(
    source: str, html: Path | None, json_file: Path | None, write: Path | None, **settings: Any
) -> None:
    """Say what is wrong with images, and which augmentations fit them.

    Broken and odd files, copies (near and mirrored ones, in two classes), blank and dark images, frames, JPEG quality,
    classes, symmetries, and what figures to expect.

    \b
    adavit data check my_photos --html check.html
    adavit data check my_photos.zip --write cleaned
    """
    for path, suffix in ((html, ".html"), (json_file, ".json")):
        if path is not None:
            _check_file(path, suffix, write)
    config = build_config([{"data": {"source": source}}, *options.setting_layers(settings)])
    from adavit.curation.check import check_data
    from adavit.curation.check_page import build_page
    from adavit.curation.check_text import as_record, as_text
    from adavit.curation.cleaning import check_cleanable, write_cleaned
    from adavit.curation.source_set import open_set
    from adavit.curation.written_set import check_target
    from adavit.evaluation.run_images import reading_of

    if write is not None:
        check_target(write, "--write", source)
    with console_for(err=True) as console:
        with open_set(
            source,
            progress=partial(console.activity, "decoding"),
            resolution=config.given("data.resolution"),
            default_resolution_cap=64,
            reading=reading_of(config),
            data_root=config.data.data_root,
        ) as opened:
            if write is not None:
                check_cleanable(opened, source, write)
            found = check_data(opened, source, seed=config.run.seed, console=console)
            # Before the set, which may not be had: what is wrong says why.
            click.echo(as_text(found))
            if html is not None:
                write_text(html, build_page(found))
                click.echo(f"Wrote {html}.")
            if json_file is not None:
                write_json(json_file, as_record(found))
                click.echo(f"Wrote {json_file}.")
            cleaned = None if write is None else write_cleaned(found, opened, write)
    if cleaned is not None:
        click.echo(
            f"Wrote {counted(cleaned.files, 'file', 'files')} to {write}; left out"
            f" {counted(cleaned.copies, 'copy', 'copies')}, {cleaned.doubtful:,} that stand in several classes,"
            f" {cleaned.blank:,} of one colour, {cleaned.unread:,} that the set leaves out itself."
        )
        if cleaned.staying:
            images = counted(cleaned.staying, "such image stays", "such images stay")
            click.echo(f"{images}, in files that have others to train on.")


def _check_file(path: Path, suffix: str, write: Path | None) -> None:
    flag = f"--{suffix[1:]}"
    if path.suffix.lower() != suffix:
        raise UserError(
            f"{flag} {str(path)!r} ends in {path.suffix or 'nothing'}, expected {suffix}. Write for"
            f" example {flag} check{suffix}."
        )
    check_writable(path, flag=flag)
    resolved = path.resolve()
    if write is not None and write.resolve() in (resolved, *resolved.parents):
        raise UserError(
            f"{flag} {str(path)!r} takes a place of --write {str(write)!r}, which must be new or empty, expected one"
            " outside of it. Choose another."
        )


@command.command()
@source
@click.option(
    "--tiles",
    type=click.IntRange(min=4),
    metavar="N",
    help="Squares of N px side by side, as many as fit.",
)
@click.option("--centre", is_flag=True, help="The largest square in the middle.")
@click.option(
    "--faces-like",
    type=click.Path(path_type=Path),
    metavar="BOXES.csv",
    help="Boxes from a CSV file with the columns file,left,top,width,height, in pixels.",
)
@click.option("--trim", is_flag=True, help="What is inside a frame of one colour.")
@out
@options.setting("--data-root")
@options.scale_16bit
@options.follow_links
@takes_paths("source", "faces_like", "out")
@amount
def crop(
    source: str,
    tiles: int | None,
    centre: bool,
    faces_like: Path | None,
    trim: bool,
    out: Path,
    **settings: Any,
) -> None:
    """Cut images, each in one of four ways, into PNG files; classes are kept.

    \b
    adavit data crop scans --tiles 256 --out tiles
    adavit data crop my_photos --faces-like boxes.csv --out faces.zip
    """
    given = [tiles is not None, centre, faces_like is not None, trim]
    if sum(given) != 1:
        raise UserError(
            f"{sum(given)} of --tiles, --centre, --faces-like and --trim were given, expected one. Choose how"
            " images are cut, for example --centre."
        )
    config = build_config([{"data": {"source": source}}, *options.setting_layers(settings)])
    from adavit.curation.crop_and_subset import crop as cut_images
    from adavit.curation.cuts import Boxes, Centre, Cut, Tiles, Trim

    cut: Cut = Trim() if trim else Centre()
    if tiles is not None:
        cut = Tiles(tiles)
    elif faces_like is not None:
        cut = Boxes.read(faces_like)
    with console_for(err=True) as console:
        made = cut_images(
            source,
            cut,
            out,
            console=console,
            data_root=config.data.data_root,
            scale_16bit=config.data.scale_16bit,
            follow_links=config.data.follow_links,
        )
    _say(made.written, made.notes, made.skipped, out)


@command.command()
@source
@click.option("--count", required=True, type=click.IntRange(min=1), help="How many images.")
@click.option(
    "--balanced", is_flag=True, help="As many of each class; otherwise each has its share."
)
@options.setting("--seed", type=click.IntRange(min=0))
@out
@options.setting("--data-root")
@options.scale_16bit
@options.follow_links
@takes_paths("source", "out")
@amount
def subset(source: str, count: int, balanced: bool, out: Path, **settings: Any) -> None:
    """Draw some images of a set and write them as PNG files; classes are kept.

    \b
    adavit data subset my_photos --count 200 --out few
    adavit data subset cifar10 --count 2000 --balanced --seed 1 --out few.zip
    """
    config = build_config([{"data": {"source": source}}, *options.setting_layers(settings)])
    from adavit.curation.crop_and_subset import subset as draw_images

    with console_for(err=True) as console:
        made = draw_images(
            source,
            count,
            out,
            seed=config.run.seed,
            balanced=balanced,
            console=console,
            data_root=config.data.data_root,
            scale_16bit=config.data.scale_16bit,
            follow_links=config.data.follow_links,
        )
    _say(made.written, made.notes, made.skipped, out)


def _say(written: int, notes: Sequence[str], skipped: Sequence[Skipped], out: Path) -> None:
    click.echo(f"Wrote {counted(written, 'image', 'images')} to {out}.")
    for note in notes:
        click.echo(note)
    for each in skipped[:10]:
        click.echo(f"Left out: {each.name} {each.reason}.")
    if len(skipped) > 10:
        click.echo(f"Left out: {len(skipped) - 10:,} more.")
