"""The error of a source that cannot be had, which each caller lets name it as its user did."""

from collections.abc import Iterator
from contextlib import contextmanager

from adavit.data.files.members import printable
from adavit.errors import UserError


class UnusableSource(UserError):
    """Says what is wrong with a source, as the setting `data.source`; see `source_called`.

    Args:
        source: The path or the name.
        trouble: What is wrong, what was expected and what to do: the rest of the sentence, and more.
    """

    def __init__(self, source: object, trouble: str) -> None:
        super().__init__(f"data.source {_told(source, trouble)}")
        self._told = _told(source, trouble)

    def called(self, name: str | None) -> UserError:
        """The same of a flag or an argument; None names the source by itself."""
        return UserError(self._told if name is None else f"{name} {self._told}")


def _told(source: object, trouble: str) -> str:
    return f"'{printable(str(source))}' {trouble}"


@contextmanager
def source_called(name: str | None) -> Iterator[None]:
    """While entered, errors of a source call it what the user does, as `--data`; None: nothing, by itself."""
    try:
        yield
    except UnusableSource as error:
        raise error.called(name) from None
