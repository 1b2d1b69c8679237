"""`adavit runs`."""

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adavit.report.listing import list_runs, protocol_legend

COLOURS = {"finished": "green", "running": "cyan", "failed": "red"}
PIPE_WIDTH = 200
"""Columns where there is no terminal to ask."""


@click.command()
@click.argument("folder", default="runs", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def command(folder: Path, as_json: bool) -> None:
    """List the runs below FOLDER [runs] with their best figures, the newest last."""
    runs = list_runs(folder)
    if as_json:
        click.echo(json.dumps(runs, indent=2, ensure_ascii=False))
        return
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    console = Console(file=sys.stdout, width=width, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("run", "data", "discriminator", "augmentation"):
        table.add_column(name, overflow="fold")
    for name in ("seed", "kimg", "best", "p"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("status", overflow="fold")
    legend = protocol_legend(runs)
    for run in runs:
        letter, _ = legend.get(run["protocol_key"], ("", ""))
        table.add_row(*_cells(run, folder, letter))
    console.print(table)
    for letter, words in legend.values():
        console.print(Text(f"[{letter}] {words}"), soft_wrap=True)
    if legend:
        console.print("Figures of different letters do not compare.", soft_wrap=True)


def _cells(run: dict[str, Any], folder: Path, letter: str) -> list[Text]:
    """Text objects, in which brackets of a name are no markup."""
    path = Path(run["run"])
    name = str(path.relative_to(folder)) if path != folder else str(path)
    total = run["total_kimg"]
    kimg = f"{run['kimg']:g}" if run["status"] == "finished" or total is None else ""
    kimg = kimg or f"{run['kimg']:g} of {total:g}"
    best = "" if run["best"] is None else f"{run['metric']} {run['best']:.4g}"
    if run["best_kimg"] is not None:
        best += f" at {run['best_kimg']:g}"
    if letter:
        best += f" [{letter}]"
    words = [name, run["data"], run["discriminator"], run["augmentation"], run["seed"], kimg, best]
    words.append("" if run["p"] is None else f"{run['p']:.3f}")
    cells = [Text("" if word is None else str(word)) for word in words]
    status = Text(run["status"], style=COLOURS.get(run["status"], "yellow"))
    if run["reason"]:
        status.append(f": {run['reason'].splitlines()[0]}")
    return [*cells, status]
