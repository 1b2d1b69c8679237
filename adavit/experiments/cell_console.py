"""What a cell tells while it runs: lines that name the cell, and all of them in its own log."""

from collections.abc import Callable
from typing import TextIO

from adavit.runtime.console import BarConsole, Console, Status


class CellConsole:
    """Passes on what a run tells.

    Args:
        console: Where people look.
        title: Of the cell, before each line.
        log: The cell's own log.
        told: What earlier cells have told before they trained (of their data, mostly), which is not
            told again; added to.
        on_step: Called at every step and while data are read; may raise to end the run.
        on_report: Called at the cadence of reports; may raise to end the run.
    """

    def __init__(
        self,
        console: Console,
        title: str,
        log: TextIO,
        *,
        told: set[str],
        on_step: Callable[[], None] = lambda: None,
        on_report: Callable[[], None] = lambda: None,
    ) -> None:
        self._console = console
        self._title = title
        self._log = log
        self._told = told
        self._begun = False
        self._on_step = on_step
        self._on_report = on_report

    def note(self, text: str) -> None:
        """A line that stays; a whole page (the configuration) goes to the log alone."""
        print(text, file=self._log, flush=True)
        again = not self._begun and text in self._told
        self._told.add(text)
        if "\n" not in text and not again:
            self._console.note(f"[{self._title}] {text}")

    def status(self, status: Status) -> None:
        """Where training stands, at every step."""
        self._begun = True
        self._on_step()
        self._console.status(status)

    def report(self, status: Status) -> None:
        """Where training stands, at the cadence of stats.jsonl."""
        if isinstance(self._console, BarConsole):
            print(status.fields(), file=self._log, flush=True)
            self._console.report(status)
        else:
            self.note(status.fields())
        self._on_report()

    def activity(self, text: str, done: int, total: int) -> None:
        """Something else that takes time."""
        self._on_step()
        self._console.activity(f"[{self._title}] {text}", done, total)
