"""`adavit runs prune`."""

import sys
from pathlib import Path

import click

from adavit.cli import completion, options
from adavit.cli.consoles import console_for
from adavit.errors import UserError
from adavit.report.pruning import DEFAULT_KEEP, Kept, Spared, find_spared
from adavit.report.pruning import prune as prune_run
from adavit.runtime.paths import takes_paths
from adavit.runtime.streams import for_terminal
from adavit.runtime.time_spans import seconds_in
from adavit.runtime.wording import counted, size

ALL = Path("runs")


def _age(context: click.Context, parameter: click.Parameter, text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        return seconds_in(text)
    except ValueError as error:
        raise UserError(f"--older-than: {error}") from None


@click.command("prune", short_help="Remove older checkpoints and generators of runs.")
@click.argument(
    "runs",
    nargs=-1,
    metavar="[RUN]...",
    type=click.Path(path_type=Path),
    shell_complete=completion.runs,
)
@click.option("--all", "everything", is_flag=True, help=f"All runs below the folder {ALL}.")
@click.option(
    "--keep",
    callback=options.words,
    default=",".join(DEFAULT_KEEP),
    show_default=True,
    help="What stays, with commas between: best (its generator), last (newest checkpoint, generator), and every:KIMG"
    " of the generators kept while training.",
)
@click.option(
    "--older-than",
    metavar="AGE",
    callback=_age,
    help="Only runs in which nothing was written for so long, such as 30d or 12h.  [default: all]",
)
@click.option("--dry-run", is_flag=True, help="Show what would be removed; remove nothing.")
@click.option("--yes", is_flag=True, help="Remove it without asking.")
@takes_paths("runs")
def prune(
    runs: tuple[Path, ...],
    everything: bool,
    keep: list[str],
    older_than: float,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove older checkpoints and generators of each RUN, or of the runs below it.

    What would be removed is listed first, and asked for. Logs, samples and figures stay, as does all that is not a
    run's own, or that a link leads to; a run that is being trained is left alone.

    \b
    adavit runs prune runs/00000-small_set-resnet-bgc
    adavit runs prune --all --keep best,last,every:200 --older-than 30d --dry-run
    """
    if bool(runs) == everything:
        raise click.UsageError(
            "name runs, or folders of runs, or give --all for those below runs. Expected one of both."
        )
    kept = Kept.from_words(keep)
    found = find_spared([ALL] if everything else list(runs), kept, untouched_s=older_than)
    for spared in found:
        _show(spared)
    with_files = [spared for spared in found if spared.files]
    if not found:
        click.echo("Nothing to remove: something was written in every run since then.")
        return
    if not with_files:
        click.echo(f"Nothing to remove in {counted(len(found), 'run', 'runs')}.")
        return
    files = counted(sum(len(spared.files) for spared in with_files), "file", "files")
    what = f"{files} of {counted(len(with_files), 'run', 'runs')}, {size(sum(s.frees for s in with_files))}"
    if dry_run:
        click.echo(f"Would remove {what}; nothing was removed.")
        return
    if not yes:
        _ask(what)
    with console_for(err=True) as console:
        freed = sum(prune_run(spared, kept, console) for spared in with_files)
    click.echo(f"Removed {size(freed)}.")


def _show(spared: Spared) -> None:
    if not spared.files and not spared.note:
        return
    click.echo(for_terminal(str(spared.run)))
    width = max((len(path.name) for path in spared.files), default=0)
    for path in spared.files:
        click.echo(f"  {path.name:<{width}}  {size(path.lstat().st_size):>10}")
    if spared.note:
        click.echo(f"  {for_terminal(spared.note)}")


def _ask(what: str) -> None:
    if not sys.stdin.isatty():
        raise UserError(
            f"nothing was removed: {what} would be, and there is no terminal to ask on, expected --yes. Give it, or"
            " --dry-run to look only."
        )
    try:
        agreed = click.confirm(f"Remove {what}?")
    except click.Abort as abort:
        if not isinstance(abort.__context__, EOFError):  # Ctrl-C
            raise
        agreed = False  # Ctrl-D is no answer
        click.echo()
    if not agreed:
        click.echo("Nothing was removed.")
        raise click.exceptions.Exit(0)
