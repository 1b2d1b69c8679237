"""Progress of a run as it is printed: a progress bar on a terminal or in a notebook, plain lines elsewhere."""

import contextlib
import html
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self, TextIO

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from adavit.runtime.streams import for_terminal

WARNING = "Warning: "
"""What a warning begins with."""


@dataclass(frozen=True)
class Status:
    """Progress and latest figures of a run.

    Attributes:
        images: Real images seen.
        total_images: Real images at the end.
        images_per_s: Speed over the last report, or None before the first.
        p: Augmentation probability, or None where nothing is augmented.
        r_t: Overfitting heuristic over the last report, or None.
        r_relative: What stands for r_t where that means nothing, or p follows it; else None.
        metric: The first metric with its last figure, such as "fid 12.3", or None.
    """

    images: int
    total_images: int
    images_per_s: float | None = None
    p: float | None = 0.0
    r_t: float | None = None
    r_relative: float | None = None
    metric: str | None = None

    def fields(self) -> str:
        """The figures, separated by two blanks; what is not known is left out."""
        parts = [f"{self.images / 1000:.1f} of {self.total_images / 1000:g} kimg"]
        if self.images_per_s:
            parts.append(f"{self.images_per_s:.0f} images/s")
            left = (self.total_images - self.images) / self.images_per_s
            parts.append(f"{_duration(left)} left")
        if self.p is not None:
            parts.append(f"p {self.p:.3f}")
        if self.r_t is not None:
            parts.append(f"r_t {self.r_t:+.2f}")
        if self.r_relative is not None:
            parts.append(f"r_relative {self.r_relative:+.2f}")
        if self.metric is not None:
            parts.append(self.metric)
        return "  ".join(parts)


class Console(Protocol):
    """Interface of what a run reports its progress to."""

    def note(self, text: str) -> None:
        """A line that stays."""

    def result(self, text: str) -> None:
        """What it was all for, at the end; it stays too."""

    def status(self, status: Status) -> None:
        """Where training stands; called at every step."""

    def report(self, status: Status) -> None:
        """Where training stands, at the cadence of stats.jsonl."""

    def activity(self, text: str, done: int, total: int) -> None:
        """Something else that takes time: decoding, evaluating."""


class SilentConsole:
    """Says nothing, for use from Python."""

    def note(self, text: str) -> None:
        """Ignored."""

    def result(self, text: str) -> None:
        """Ignored."""

    def status(self, status: Status) -> None:
        """Ignored."""

    def report(self, status: Status) -> None:
        """Ignored."""

    def activity(self, text: str, done: int, total: int) -> None:
        """Ignored."""


class LineConsole:
    """Plain lines, for logs and pipes.

    Args:
        stream: Where they go.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def note(self, text: str) -> None:
        """A line, at once."""
        print(for_terminal(text), file=self._stream, flush=True)

    def result(self, text: str) -> None:
        """A line like any other."""
        self.note(text)

    def status(self, status: Status) -> None:
        """Ignored: a line per step would drown the rest."""

    def report(self, status: Status) -> None:
        """A line per report."""
        self.note(status.fields())

    def activity(self, text: str, done: int, total: int) -> None:
        """Ignored: its result is a line of its own."""


class TimedConsole(LineConsole):
    """A line for all that takes time too, for --verbose."""

    _begun: tuple[str, float] | None = None

    def activity(self, text: str, done: int, total: int) -> None:
        """A line when it begins and one when it has ended."""
        if self._begun is None or self._begun[0] != text:
            self._begun = (text, time.monotonic())
            self.note(f"{text} ...")
        if done >= total:
            self.note(f"{text}: {total} in {time.monotonic() - self._begun[1]:.1f} s")
            self._begun = None


class WarningConsole(SilentConsole):
    """Warnings, on standard error, and the result, for --quiet.

    Args:
        stream: Where the result goes.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._warnings, self._results = LineConsole(sys.stderr), LineConsole(stream)

    def note(self, text: str) -> None:
        """A warning; any other line is left out."""
        if text.startswith(WARNING):
            self._warnings.note(text)

    def result(self, text: str) -> None:
        """As it is."""
        self._results.result(text)


def console_elsewhere(console: Console) -> Callable[[], Console]:
    """What makes a console that tells as much in another process; of a bar the lines that stay."""
    alike = type(console) in (SilentConsole, TimedConsole, WarningConsole)
    return type(console) if alike else LineConsole


class _MovingBar:
    """One bar for the run and what it waits for, drawn again not more often than anybody sees."""

    REFRESH_SECONDS: float
    _shown = 0.0

    def status(self, status: Status) -> None:
        """Moves the bar."""
        self._show(status.fields(), status.images, status.total_images)

    def report(self, status: Status) -> None:
        """Moves the bar."""
        self.status(status)

    def activity(self, text: str, done: int, total: int) -> None:
        """Shows the activity in the bar's place."""
        self._show(f"{text} {done} of {total}", done, total)

    def _show(self, text: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown < self.REFRESH_SECONDS and done < total:
            return  # drawing costs more than a step of a small network
        self._shown = now
        self._draw(text, done, total)

    def _draw(self, text: str, done: int, total: int) -> None:
        raise NotImplementedError


class BarConsole(_MovingBar):
    """A progress bar below the lines that stay.

    Args:
        console: Rich's console; None makes one for the terminal.
    """

    REFRESH_SECONDS = 0.2

    def __init__(self, console: RichConsole | None = None) -> None:
        self._console = console or RichConsole(highlight=False)
        width = 24 if self._console.width > 120 else 8
        self._progress = Progress(
            # Where a terminal is narrow the text is cut at its end, and never the bar or the time.
            BarColumn(bar_width=width, table_column=Column(min_width=width)),
            TextColumn("{task.percentage:3.0f}%", table_column=Column(min_width=4)),
            TimeElapsedColumn(table_column=Column(min_width=7)),
            TextColumn(
                "{task.description}", markup=False, table_column=Column(no_wrap=True, ratio=1)
            ),
            console=self._console,
            expand=True,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def note(self, text: str) -> None:
        """A line above the bar."""
        self._console.print(for_terminal(text), markup=False, soft_wrap=True)

    def result(self, text: str) -> None:
        """A line like any other."""
        self.note(text)

    def _draw(self, text: str, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._progress.add_task(text, total=total)
        self._progress.update(
            self._task, description=for_terminal(text), completed=done, total=total
        )


class NotebookConsole(_MovingBar, LineConsole):
    """Lines that stay, and a bar that is redrawn where it was first shown: rich's own needs ipywidgets for that."""

    REFRESH_SECONDS = 0.5

    def __init__(self) -> None:
        super().__init__()
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.update({"text/plain": "", "text/html": ""}, raw=True)

    def _draw(self, text: str, done: int, total: int) -> None:
        bar = f'<progress value="{done}" max="{total}"></progress>'
        drawn = {
            "text/plain": for_terminal(text),
            "text/html": f"{bar} <code>{html.escape(for_terminal(text))}</code>",
        }
        if self._bar is None:
            from IPython.display import display  # there is no notebook without it

            self._bar = display(drawn, raw=True, display_id=True)
        else:
            self._bar.update(drawn, raw=True)


@contextlib.contextmanager
def console_here() -> Iterator[Console]:
    """A bar where a person looks on, at a terminal or in a notebook; elsewhere nothing is said."""
    rich = RichConsole(highlight=False)
    if rich.is_jupyter:
        with NotebookConsole() as notebook:
            yield notebook
    elif rich.is_terminal:
        with BarConsole(rich) as console:
            yield console
    else:
        yield SilentConsole()


def console_or_here(console: Console | None) -> contextlib.AbstractContextManager[Console]:
    """The console that was given, or else `console_here`."""
    return console_here() if console is None else contextlib.nullcontext(console)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
