"""`adavit runs`."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from adavit.cli import completion
from adavit.cli.listed import as_json
from adavit.cli.prune import prune
from adavit.evaluation.comparison_text import FLATTERED_WORD
from adavit.metrics.kinship import MARK
from adavit.metrics.kinship import legend as legend_of_marks
from adavit.report.listing import list_runs, protocol_legend
from adavit.runtime.console import LineConsole
from adavit.runtime.paths import takes_paths
from adavit.runtime.streams import for_terminal
from adavit.runtime.wording import size, with_middle_left_out

COLOURS = {"finished": "green", "running": "cyan", "failed": "red", "lost": "red"}
PIPE_WIDTH = 200
"""Columns where there is no terminal to ask."""

COLUMNS = (
    "run",
    "data",
    "discriminator",
    "augmentation",
    "seed",
    "kimg",
    "best",
    "p",
    "disk",
    "status",
)
RIGHT = ("seed", "kimg", "best", "p", "disk")
LONGEST = (1000, 32, 16)
"""Characters of data and augmentation, and of the reason of a failure, one after the other until there is room."""

MARKED = "discriminator"
"""The column that says whose discriminator saw a pretrained network."""

LEFT_OUT_FIRST = ("p", "seed", "augmentation", MARKED, "data", "disk", "best", "kimg")
"""What a narrow terminal does not show."""

LOST = (
    "lost: it ended without a word, killed or with its machine; adavit train --resume RUN goes on."
)


class RunsGroup(click.Group):
    """`adavit runs` alone, or with a folder, lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As `adavit runs list` where no other command is named."""
        named = args[:1] and (args[0] in self.commands or args[0] in ctx.help_option_names)
        if not named and (args or not ctx.resilient_parsing):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Its commands, options of the list, and folders."""
        listing = self.commands["list"]
        if incomplete.startswith("-"):
            return listing.shell_complete(ctx, incomplete)
        (folder,) = (each for each in listing.params if isinstance(each, click.Argument))
        # Bash forgets what stands before paths that it is to list itself.
        return [
            *completion.runs(ctx, folder, incomplete),
            *super().shell_complete(ctx, incomplete),
        ]


@click.group(cls=RunsGroup)
def command() -> None:
    """List runs with their states and best figures; make room on the disk.

    adavit runs [FOLDER] is short for adavit runs list [FOLDER].

    \b
    adavit runs
    adavit runs runs/ablations --json
    adavit runs prune --all --dry-run
    """


command.add_command(prune)


@command.command("list", short_help="List runs; may be left out.")
@click.argument(
    "folder",
    default="runs",
    type=click.Path(path_type=Path),
    shell_complete=completion.runs,
)
@as_json
@takes_paths("folder")
def list_below(folder: Path, as_json: bool) -> None:
    """List the runs below FOLDER with their best figures, the newest last. FOLDER is runs by default.

    A run is running, finished, stopped (it was asked to), failed, or lost (killed, or its machine went down).

    \b
    adavit runs
    adavit runs runs/ablations --json
    """
    runs = list_runs(folder, LineConsole(sys.stderr))
    if as_json:
        click.echo(json.dumps(runs, indent=2))
        return
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    console = Console(file=sys.stdout, width=width, highlight=False)
    legend = protocol_legend(runs)
    ends = {run["protocol"] for run in runs if not legend and run["protocol"]}
    letters = [legend.get(run["protocol_key"], ("", ""))[0] for run in runs]
    named = list(zip(runs, letters, strict=True))
    for longest in LONGEST:  # rather a name or a reason cut short than a figure left out
        rows = [_cells(run, folder, letter, longest=longest) for run, letter in named]
        if _width(_table(rows, COLUMNS)) <= console.width:
            break
    shown = _columns_that_fit(rows, console.width)
    table = _table(rows, shown)
    console.width = max(console.width, _width(table))  # rather wrapped by the terminal than cut
    console.print(table)
    if "best" in shown:
        for protocol in ends:
            console.print(Text(_one_line(f"best: {protocol}")), soft_wrap=True)
        _explain(legend, console)
    if any(run["status"] == "lost" for run in runs):
        console.print(LOST, soft_wrap=True)
    seen = [network for run in runs for network in run["discriminator_saw"]]
    if seen and MARKED in shown:
        console.print(Text(_one_line(legend_of_marks(seen))), soft_wrap=True)
    hidden = [name for name in COLUMNS if name not in shown]
    if hidden:
        console.print(
            f"Too narrow for {', '.join(hidden)}; adavit runs --json has all.", soft_wrap=True
        )


def _explain(legend: Mapping[str, tuple[str, str]], console: Console) -> None:
    for letter, words in legend.values():
        console.print(Text(_one_line(f"[{letter}] {words}")), soft_wrap=True)
    if legend:
        console.print("Figures with different letters are not comparable.", soft_wrap=True)


def _columns_that_fit(rows: Sequence[dict[str, Text]], width: int) -> list[str]:
    """As many columns as have room, each as wide as its widest cell: words are not broken."""
    shown = list(COLUMNS)
    for name in LEFT_OUT_FIRST:
        if _width(_table(rows, shown)) <= width:
            break
        shown.remove(name)
    return shown


def _width(table: Table) -> int:
    wide = Console(width=10_000)
    return Measurement.get(wide, wide.options, table).maximum


def _table(rows: Sequence[dict[str, Text]], columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in RIGHT else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    return table


def _cells(run: dict[str, Any], folder: Path, letter: str, *, longest: int) -> dict[str, Text]:
    """Text objects, in which brackets of a name are no markup; by column. Names but the run's are cut to `longest`."""
    path = Path(run["run"])
    total = run["total_kimg"]
    kimg = f"{run['kimg']:g}" if total is None or run["kimg"] >= total else ""
    best = "" if run["best"] is None else f"{run['metric']} {run['best']:.4g}"
    if run["best_kimg"] is not None:
        best += f" at {run['best_kimg']:g}"
    if letter:
        best += f" [{letter}]"
    if run["flattered"]:
        best += f" ({FLATTERED_WORD})"
    words = {
        **{name: run[name] for name in ("data", "augmentation", "seed")},
        "run": str(path.relative_to(folder)) if path != folder else str(path),
        MARKED: " + ".join(
            filter(None, [run["discriminator"], MARK if run["discriminator_saw"] else ""])
        ),
        "kimg": kimg or f"{run['kimg']:g} of {total:g}",
        "best": best,
        "p": None if run["p"] is None else f"{run['p']:.3f}",
        "disk": size(run["disk_bytes"]),
        "status": run["status"],
    }
    cells = {
        name: Text("" if word is None else _one_line(str(word))) for name, word in words.items()
    }
    for name in ("data", "augmentation"):
        cells[name] = Text(with_middle_left_out(cells[name].plain, longest))
    cells["status"].stylize(COLOURS.get(run["status"], "yellow"))
    if run["reason"]:
        reason = _one_line(run["reason"].splitlines()[0])
        cut = reason if len(reason) <= longest else f"{reason[: longest - 1]}…"
        cells["status"].append(f": {cut}")
    return cells


def _one_line(text: str) -> str:
    return " ".join(for_terminal(text).split())
