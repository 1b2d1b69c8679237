"""`write_report`: from run directories to a page and its table in four formats."""

from collections.abc import Sequence
from pathlib import Path

from adavit.errors import UserError
from adavit.report.page import build_page
from adavit.report.run import Run, collect_runs, read_soundly
from adavit.report.seed_groups import choose_baseline, group_runs
from adavit.report.summary import report_title
from adavit.report.table import Table, merge_tables, parse_table, unique_name
from adavit.report.table_formats import to_csv, to_markdown
from adavit.report.tabulation import build_table
from adavit.runs.outdated import outdated_remark
from adavit.runtime.console import Console, SilentConsole
from adavit.runtime.files import make_folder, write_text
from adavit.runtime.inputs import read_input
from adavit.runtime.paths import takes_paths

SUFFIXES = (".html", ".md", ".csv", ".json")


@takes_paths("sources", "out", "merge")
def write_report(
    sources: Sequence[Path],
    out: Path,
    *,
    merge: Sequence[Path] = (),
    baseline: str | None = None,
    title: str | None = None,
    anyway: bool = False,
    console: Console | None = None,
) -> list[Path]:
    """Writes the report of runs, and its table beside it.

    Args:
        sources: Run directories, and folders to be searched for them.
        out: The page, `.html`; the table goes to the same name with `.md`, `.csv` and `.json`. Or
            one of these three, to write that alone.
        merge: JSON tables of earlier reports, whose rows are added.
        baseline: Label of the row that others are compared with. None: as the grid says, else the
            one row without augmentation.
        title: Heading. None: as `report_title`.
        anyway: Whether figures that pretrained features flatter share columns with others, marked.
        console: Told of runs that cannot be read, and of findings of earlier generators, which are left out.

    Returns:
        The files written.

    Raises:
        UserError: If there is no run that can be read, or a file is not what it should be.
    """
    kind = out.suffix.lower()
    if kind not in SUFFIXES:
        raise UserError(
            f"--out {str(out)!r} ends in {out.suffix or 'nothing'!r}, expected .html, or .md, .csv"
            " or .json for the table alone. Write for example --out report.html."
        )
    if not sources and not merge:
        raise UserError(
            "neither a run nor --merge was given, expected something to report on. Name a run or a"
            " folder of runs, for example adavit report runs."
        )
    suffixes = SUFFIXES if kind == ".html" else (kind,)
    files = [out if suffix == kind else out.with_suffix(suffix) for suffix in suffixes]
    _check_apart(files, merge)
    earlier = _read_tables(merge)
    runs = collect_runs(sources, console)
    for run in runs:
        if run.outdated:
            (console or SilentConsole()).note(outdated_remark(str(run.path), run.outdated))
    try:
        texts = _texts(runs, earlier, suffixes, baseline=baseline, title=title, anyway=anyway)
    except UserError:
        raise
    except Exception:  # whatever a run holds, it is not to spoil the report of the others
        written = read_soundly(
            runs,
            lambda run: (
                run,
                _texts([run], {}, suffixes, baseline=None, title=None, anyway=anyway),
            ),
            lambda run: run.path,
            console,
        )
        if len(written) == len(runs):
            raise  # a mistake of ours
        kept = [run for run, _ in written]
        texts = _texts(kept, earlier, suffixes, baseline=baseline, title=title, anyway=anyway)
    make_folder(out.parent)
    for path, content in zip(files, texts, strict=True):
        write_text(path, content)
    return files


def _texts(
    runs: Sequence[Run],
    earlier: dict[str, Table],
    suffixes: Sequence[str],
    *,
    baseline: str | None,
    title: str | None,
    anyway: bool,
) -> list[str]:
    """The content of each of the report's files."""
    # What a run by itself has measured before it failed counts; of a cell it is tried again.
    failed = [run for run in runs if run.status == "failed" and run.cell]
    groups = group_runs([run for run in runs if run.status != "failed" or not run.cell])
    if baseline is not None:
        groups = choose_baseline(groups, baseline)
    table = merge_tables(build_table(groups, failed, anyway=anyway), earlier, anyway=anyway)
    heading = title or report_title(groups, failed)
    texts = {
        ".md": lambda: to_markdown(table, heading),
        ".csv": lambda: to_csv(table),
        ".json": table.to_json,
        ".html": lambda: build_page(groups, failed, table, heading, anyway=anyway),
    }
    return [texts[suffix]() for suffix in suffixes]


def _check_apart(files: Sequence[Path], merge: Sequence[Path]) -> None:
    merged = {path.resolve() for path in merge}
    for path in files:
        if path.resolve() in merged:
            raise UserError(
                f"--merge {str(path)!r} is where this report's own table goes, expected another"
                " file. Give another --out; its rows would double each time."
            )


def _read_tables(paths: Sequence[Path]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for path in paths:
        try:
            content = read_input(path)
        except (OSError, UnicodeDecodeError):
            raise UserError(
                f"--merge {str(path)!r} cannot be read, expected the report.json of an earlier"
                " report. Check the path."
            ) from None
        # Without its folder, which is nobody else's business.
        tables[unique_name(path.name, tables)] = parse_table(content, f"--merge {str(path)!r}")
    return tables
