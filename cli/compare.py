"""`adavit compare`."""

import click
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from adavit.cli import completion
from adavit.evaluation.compare import (
    ComparedColumn,
    Comparison,
    compare,
    figures_apart,
    nothing_compares,
)
from adavit.evaluation.comparison_text import (
    as_csv,
    as_json,
    as_markdown,
    cell,
    row_name,
    title,
)
from adavit.runtime.streams import for_terminal

HELP = """
Put the figures of RECORDS side by side: runs, or files of adavit evaluate --out.

A run stands for the evaluations of its present generators, the newest under each protocol, or, where those
were never evaluated, for the best record of its training. Figures share a column only if they were measured
under the same protocol: the same number of images on either side, the same real images, the same feature
network. In what the columns of a metric differ stands below the table.

A discriminator that saw images through a pretrained network (--features) flatters figures in related
features, fid and kid among them: such runs are marked, and those figures have columns of their own.

\b
adavit compare runs/00000-small_set-resnet-bgc runs/00001-small_set-vit-bgc
adavit compare mine.json theirs.json --format markdown
"""
WRITERS = {"markdown": as_markdown, "csv": as_csv, "json": as_json}


@click.command(help=HELP)
@click.argument("records", nargs=-1, required=True, shell_complete=completion.runs)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", *WRITERS]),
    default="text",
    show_default=True,
    help="How the table is written.",
)
@click.option(
    "--anyway",
    is_flag=True,
    help="Put figures that pretrained features flatter in one column with others, marked.",
)
def command(records: tuple[str, ...], form: str, anyway: bool) -> None:
    """Compares and prints."""
    comparison = compare(records, anyway=anyway)
    if form == "text":
        _print_table(comparison)
    else:
        click.echo(for_terminal(WRITERS[form](comparison)), nl=False)


def _print_table(comparison: Comparison) -> None:
    console = Console(highlight=False)
    columns = [] if nothing_compares(comparison) else list(comparison.columns)
    if not columns:
        for line in figures_apart(comparison):
            console.print(Text(for_terminal(line)), soft_wrap=True)
    while columns:  # a table below the other rather than figures cut short
        shown = 1
        while shown < len(columns) and _width(comparison, columns[: shown + 1]) <= console.width:
            shown += 1
        table = _table(comparison, columns[:shown])
        console.print(table, no_wrap=True, crop=False, soft_wrap=True)
        columns = columns[shown:]
    for note in comparison.notes:
        console.print(Text(for_terminal(note)), soft_wrap=True)


def _table(comparison: Comparison, columns: list[ComparedColumn]) -> Table:
    table = Table()
    table.add_column("", no_wrap=True)
    for column in columns:
        protocol = column.protocol.replace(" of ", "\nof ", 1)
        head = Text(f"{for_terminal(title(column))}\n{for_terminal(protocol)}")
        table.add_column(head, justify="right", no_wrap=True)
    for row in range(len(comparison.sources)):
        name = Text(for_terminal(row_name(comparison, row)))
        table.add_row(name, *(Text(cell(column, row)) for column in columns))
    return table


def _width(comparison: Comparison, columns: list[ComparedColumn]) -> int:
    wide = Console(width=10_000)
    return Measurement.get(wide, wide.options, _table(comparison, columns)).maximum
