"""What a part of the suite has found so far, on the disk after every figure; and all of it as a page."""

import json
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TRACEBACK_LINES = 12


class Findings:
    """Facts, tables and failures of one part; whoever ends its process loses none of them.

    Args:
        path: Of the file that holds them, written anew at each.

    Attributes:
        facts: Figures by name.
        tables: Rows by the name of their table.
        failures: What could not be measured, and why.
        doing: What is being measured, outermost first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: dict[str, Any] = {}
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.failures: list[dict[str, str]] = []
        self.doing: list[str] = []
        self._write()

    def fact(self, name: str, value: Any) -> None:
        """Notes a figure."""
        self.facts[name] = value
        self._write()

    def row(self, table: str, **cells: Any) -> None:
        """Adds a row to a table; a cell's name is its column, with the unit in it."""
        self.tables.setdefault(table, []).append(cells)
        self._write()

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Notes why something could not be measured, and goes on after it."""
        self.doing.append(what)
        self._write()
        try:
            yield
        except Exception as error:  # noqa: BLE001  the next figure is worth having whatever this was
            self.failures.append({"what": what, **explained(error)})
        finally:
            self.doing.pop()
            self._write()

    def _write(self) -> None:
        kept = {
            "facts": self.facts,
            "tables": self.tables,
            "failures": self.failures,
            "doing": self.doing,
        }
        write_whole(self.path, json.dumps(kept, indent=1, default=str))


def explained(error: BaseException) -> dict[str, str]:
    """The class and message of an error, and the end of its traceback."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return {
        "error": f"{type(error).__name__}: {error}",
        "traceback": "\n".join(lines[-TRACEBACK_LINES:]),
    }


def read_findings(path: Path) -> dict[str, Any]:
    """What a part has left; empty where it has left nothing."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that a reader finds the old text or the new one."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def as_markdown(report: Mapping[str, Any]) -> str:
    """The page of a report.

    Args:
        report: `title`, and `parts` by name, each with a `status`, its `seconds` and what it found.
    """
    parts: Mapping[str, Any] = report["parts"]
    overview = [
        {"part": name, "status": part["status"], "seconds": part.get("seconds", "")}
        for name, part in parts.items()
    ]
    blocks = [f"# {report['title']}", _table(overview)]
    for name, part in parts.items():
        inner = _blocks_of(part)
        if inner:
            blocks += [f"## {name}", *inner]
    return "\n\n".join(blocks) + "\n"


def _blocks_of(part: Mapping[str, Any]) -> list[str]:
    blocks = []
    if part.get("reason"):
        blocks.append(f"{part['status']}: {part['reason']}")
    if part.get("facts"):
        blocks.append("\n".join(f"- {name}: {_cell(v)}" for name, v in part["facts"].items()))
    for title, rows in part.get("tables", {}).items():
        blocks += [f"**{title}**", _table(rows)]
    for failure in part.get("failures", []):
        blocks.append(f"Not measured: {failure['what']}: {failure['error']}")
        blocks.append(f"```\n{failure['traceback']}\n```")
    if part.get("output"):
        blocks.append(f"```\n{part['output']}\n```")
    return blocks


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join(_cell(row.get(column, "")) for column in columns) + " |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")
