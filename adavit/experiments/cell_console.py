"""What a worker tells of the cell that it is at, and what it looks after meanwhile."""

from collections.abc import Callable
from typing import TextIO

from adavit.config.short_names import in_keys
from adavit.runtime.console import WARNING, BarConsole, Console, Status


class CellConsole:
    """Passes on what a run tells: in lines that name the cell, and all of it to the cell's own log.

    Args:
        console: Where people look.
        title: Of the cell, before each line; in a warning behind that word, by which others know it.
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
        self.log(text)
        again = not self._begun and text in self._told
        self._told.add(text)
        if "\n" not in text and not again:
            warning = WARNING if text.startswith(WARNING) else ""
            said = in_keys(text.removeprefix(warning))
            self._console.note(f"{warning}[{self._title}] {said}")

    def result(self, text: str) -> None:
        """A line like any other: the result of the experiment is its table."""
        self.note(text)

    def status(self, status: Status) -> None:
        """Where training stands, at every step."""
        self._begun = True
        self._on_step()
        self._console.status(status)

    def log(self, text: str) -> None:
        """A line for the cell's own log alone."""
        print(text, file=self._log, flush=True)

    def waiting(self) -> None:
        """Nothing was told for a while; may raise as at a step."""
        self._on_step()

    def report(self, status: Status) -> None:
        """Where training stands, at the cadence of stats.jsonl."""
        if isinstance(self._console, BarConsole):
            self.log(status.fields())
            self._console.report(status)
        else:
            self.note(status.fields())
        self._on_report()

    def activity(self, text: str, done: int, total: int) -> None:
        """Something else that takes time."""
        self._on_step()
        self._console.activity(f"[{self._title}] {text}", done, total)
