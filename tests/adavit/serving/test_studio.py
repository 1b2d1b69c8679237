"""Started and ended in this process; the page itself is tested in test_browser.py."""

import re
import signal
import threading
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.runtime.signals import Stopped
from adavit.serving.drawing import RecipeDrawer
from adavit.serving.recipe import Recipe
from adavit.serving.studio import studio
from tests.adavit.serving.serving import serving
from tests.telling import Told


class Visited(Told):
    """Asks for something at the address that it is told, then sends a signal."""

    def __init__(self, end: str = "about", *, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.end, self.number, self.reply = end, number, b""

    def result(self, text: str) -> None:
        """Begins a visit."""
        super().result(text)
        threading.Thread(target=self._visit, args=(text,)).start()

    def _visit(self, address: str) -> None:
        with urllib.request.urlopen(address + self.end, timeout=30) as reply:
            self.reply = reply.read()
        signal.raise_signal(self.number)


def test_it_draws_until_ctrl_c_ends_it(source: Path, drawer: RecipeDrawer) -> None:
    addresses = []
    for _ in range(2):
        told = Visited("picture?seed=7")
        assert studio(str(source), device="cpu", console=told) is None
        assert told.reply == drawer.picture(Recipe(7))
        assert told.notes[-1] == "The studio is closed."
        addresses += told.results
    form = re.compile(r"http://127\.0\.0\.1:\d+/([\w-]{32})/")
    tokens = [form.fullmatch(address) for address in addresses]
    assert all(tokens)
    assert tokens[0][1] != tokens[1][1]
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(addresses[1], timeout=5)


def test_other_signals_have_their_exit_codes(source: Path) -> None:
    with pytest.raises(Stopped, match="SIGTERM"):
        studio(str(source), device="cpu", console=Visited(number=signal.SIGTERM))


def test_the_page_is_opened_where_that_is_asked_for(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, told = [], Visited()
    noted = threading.Event()
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(opened.append(address)))
    monkeypatch.setattr(told, "note", lambda text: (told.notes.append(text), noted.set()))
    studio(str(source), open_page=True, device="cpu", console=told)
    assert opened == told.results
    assert any(note.startswith("Warning: no browser can be opened") for note in told.notes)
    opened.clear()
    studio(str(source), device="cpu", console=Visited())
    assert opened == []


def test_a_port_in_use_is_told_before_the_generator_is_read(tmp_path: Path) -> None:
    with (
        serving(None) as server,
        pytest.raises(UserError, match=f"--port is {server.port}, .* Choose another"),
    ):
        studio(str(tmp_path / "absent"), port=server.port, console=Told())


def test_a_generator_that_is_not_there_leaves_no_server(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent"):
        studio(str(tmp_path / "absent"), console=Told())
