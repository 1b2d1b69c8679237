"""A console that keeps what it is told."""

from adavit.runtime.console import SilentConsole


class Told(SilentConsole):
    """Notes and results by themselves; activities as they were last."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.results: list[str] = []
        self.activities: dict[str, tuple[int, int]] = {}

    def note(self, text: str) -> None:
        """Kept."""
        self.notes.append(text)

    def result(self, text: str) -> None:
        """Kept."""
        self.results.append(text)

    def activity(self, text: str, done: int, total: int) -> None:
        """Kept."""
        self.activities[text] = (done, total)
