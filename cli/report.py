"""`adavit report`."""

import sys
from pathlib import Path

import click

from adavit.cli import completion
from adavit.runtime.console import LineConsole
from adavit.runtime.wording import size


@click.command()
@click.argument(
    "sources",
    nargs=-1,
    metavar="[RUN|FOLDER]...",
    shell_complete=completion.runs,
    type=click.Path(path_type=Path),
)
@click.option(
    "--out",
    default="report.html",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The page, an .html file, with its table beside it as .md, .csv and .json; or one of these alone.",
)
@click.option(
    "--merge",
    multiple=True,
    type=click.Path(path_type=Path),
    help="An earlier report.json, whose rows are added; may be repeated, and needs no runs.",
)
@click.option(
    "--baseline",
    help="Row that the others are compared with.  [default: the grid's, or the one without augmentation]",
)
@click.option(
    "--title", help="Heading of the page.  [default: the grid's name, else the number of runs]"
)
@click.option(
    "--anyway",
    is_flag=True,
    help="Put figures that pretrained features flatter in one column with others, marked.",
)
def command(
    sources: tuple[Path, ...],
    out: Path,
    merge: tuple[Path, ...],
    baseline: str | None,
    title: str | None,
    anyway: bool,
) -> None:
    """Write runs as one HTML page to look at, and its table as Markdown, CSV and JSON.

    A FOLDER is searched for runs at any depth. Runs whose discriminator saw images through a
    pretrained network (--features) are marked, and figures in related features, fid and kid among
    them, have columns of their own.

    \b
    adavit report runs
    adavit report runs/00000-* runs/00001-* --out two.html
    adavit report --merge benchmarks/results/groups_200_images.json --out groups.md
    """
    from adavit.report.report import write_report

    written = write_report(
        sources,
        out,
        merge=merge,
        baseline=baseline,
        title=title,
        anyway=anyway,
        console=LineConsole(sys.stderr),
    )
    for path in written:
        click.echo(f"Wrote {path} ({size(path.stat().st_size)}).")
