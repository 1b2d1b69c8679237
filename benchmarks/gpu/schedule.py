"""Parts of a suite, one after another in processes of their own, within a given time whatever they do."""

import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu.findings import as_markdown, read_findings, write_whole

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 2.0
"""A part may take so many times its estimate before it is taken to hang."""
START_SECONDS = 20.0
"""And so long for its imports, on a machine that has just been started."""
DYING_SECONDS = 5.0
"""So long a part that was ended is waited for: one that waits for its device may not go at once."""
RESERVE_SECONDS = DYING_SECONDS + 3.0
"""Kept for the end of the last part, and for the report."""
SPARE_SECONDS = 30.0
"""Kept, of what the estimates leave, for parts that take longer than theirs."""
OUTPUT_LINES = 25


@dataclass(frozen=True)
class Part:
    """Something to measure.

    Attributes:
        name: In the report.
        target: "module:function", called in a process of its own with a `Bench` and `Findings`.
        seconds: What it takes, on a current card; the least where `most` is more.
        most: What it takes where all parts leave so much.
    """

    name: str
    target: str
    seconds: float
    most: float = 0.0


@dataclass(frozen=True)
class Setting:
    """What every part is told.

    Attributes:
        device: As torch names it.
        toy: Whether sizes are those of a test.
        out: Folder of the report.
    """

    device: str
    toy: bool
    out: Path


class Suite:
    """Runs parts and keeps the report on the disk true after each.

    Args:
        parts: In the order of their worth: time runs out for the last.
        setting: For all of them.
        minutes: For all of them together.
        title: Of the report.
    """

    def __init__(
        self, parts: Sequence[Part], setting: Setting, *, minutes: float, title: str
    ) -> None:
        self.parts, self.setting = parts, setting
        self.ends = time.monotonic() + 60 * minutes - RESERVE_SECONDS
        self.report: dict[str, Any] = {
            "title": title,
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "command": sys.argv,
            "parts": {part.name: {"status": "not reached"} for part in parts},
        }

    def run(self) -> dict[str, Any]:
        """All parts that there is time for; the report, as in report.json."""
        self.setting.out.mkdir(parents=True, exist_ok=True)
        (self.setting.out / "log.txt").write_text("", encoding="utf-8")
        self._write()
        for number, part in enumerate(self.parts):
            left = self.ends - time.monotonic()
            aim = self._aim(number, left)
            if part.seconds > left:
                found = {
                    "status": "no time",
                    "reason": f"takes about {part.seconds:.0f} s, {left:.0f} s were left",
                }
            else:
                found = self._measured(part, aim, min(left, START_SECONDS + PATIENCE * aim))
            self.report["parts"][part.name] = found
            self._write()
            print(
                f"{part.name:12} {found['status']:8} {found.get('seconds', 0):6.1f} s", flush=True
            )
        return self.report

    def _aim(self, number: int, left: float) -> float:
        """Seconds that a part is to take: its estimate, and its share of what those of all to come leave."""
        part, *others = self.parts[number:]
        room = left - SPARE_SECONDS - sum(each.seconds for each in (part, *others))
        share = room / (1 + sum(each.most > each.seconds for each in others))
        return max(part.seconds, min(part.most, part.seconds + share))

    def _measured(self, part: Part, aim: float, limit: float) -> dict[str, Any]:
        """What a part found in its process, which ends within `limit` seconds."""
        self.report["parts"][part.name] = {"status": "running"}
        self._write()
        with tempfile.TemporaryDirectory() as name:
            path, output = Path(name) / "found.json", Path(name) / "output.txt"
            started = time.monotonic()
            with output.open("wb") as stream:
                ended = _ended(self._command(part, path, aim, limit), stream, limit)
            seconds = round(time.monotonic() - started, 1)
            text = output.read_text(encoding="utf-8", errors="replace")
            found = read_findings(path)
        with (self.setting.out / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"===== {part.name}\n{text}\n")
        result: dict[str, Any] = {"status": "ok", "seconds": seconds, **found}
        if ended is None:
            result["status"] = "hung"
            at = " in ".join(reversed(found.get("doing", []))) or "its start"
            result["reason"] = f"ended after {limit:.0f} s, at {at}; what it had found is kept"
        elif ended:
            result["status"] = "failed"
            result["reason"] = f"its process ended with {ended}"
        elif found.get("failures"):
            result["status"] = "partly"
        if ended != 0:
            result["output"] = "\n".join(text.splitlines()[-OUTPUT_LINES:])
        return result

    def _command(self, part: Part, path: Path, aim: float, limit: float) -> list[str]:
        told = {
            "device": self.setting.device,
            "toy": self.setting.toy,
            "out": str(self.setting.out.resolve()),
            "aim": aim,
            "limit": limit,
            "began": time.time(),
        }
        return [
            sys.executable,
            "-m",
            "benchmarks.gpu.child",
            part.target,
            str(path),
            json.dumps(told),
        ]

    def _write(self) -> None:
        out = self.setting.out
        write_whole(out / "report.json", json.dumps(self.report, indent=1, default=str))
        write_whole(out / "report.md", as_markdown(self.report))


def _ended(command: list[str], output: Any, limit: float) -> int | None:
    """The exit status of a program; None where it had to be ended, with all that it started."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        command,
        stdout=output,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,
    )
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:  # also where this program itself is stopped
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(DYING_SECONDS)
