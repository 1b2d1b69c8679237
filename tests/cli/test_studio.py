"""The command; the studio itself is tested in tests/adavit/serving/."""

import re
import socket
from pathlib import Path

import pytest

from adavit.serving.server import StudioServer
from adavit.serving.site import Site
from tests.cli.conftest import Adavit
from tests.stored_generators import store_generator


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Site]]:
    """Ports and sites of studios, which end at once."""
    seen: list[tuple[int, Site]] = []
    monkeypatch.setattr(
        StudioServer, "serve", lambda server, site, stop: seen.append((server.port, site))
    )
    return seen


def test_the_address_is_printed(adavit: Adavit, served: list[tuple[int, Site]]) -> None:
    source = store_generator(Path("g.safetensors"))
    outcome = adavit("studio", source, "--device", "cpu")
    assert (outcome.code, outcome.err) == (0, "")
    ((port, _),) = served
    assert re.search(rf"^http://127\.0\.0\.1:{port}/[\w-]+/$", outcome.out, flags=re.MULTILINE)
    assert "Ctrl-C ends it" in outcome.out
    quiet = adavit("studio", source, "--device", "cpu", "--quiet")
    assert re.fullmatch(r"http://\S+/\n", quiet.out)


def test_directions_of_a_file_are_shown(adavit: Adavit, served: list[tuple[int, Site]]) -> None:
    source = store_generator(Path("g.safetensors"))
    assert adavit("directions", source, "--count", "2", "--device", "cpu").code == 0
    file = Path("directions/directions.safetensors")
    assert adavit("studio", source, "--directions", file, "--device", "cpu").code == 0
    ((_, site),) = served
    assert site._offer.directions == 2


def test_what_cannot_be_is_told_in_three_parts(
    adavit: Adavit, served: list[tuple[int, Site]]
) -> None:
    source = store_generator(Path("g.safetensors"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = adavit("studio", source, "--port", port)
    assert outcome.code == 2
    assert f"--port is {port}, which cannot be had" in outcome.err
    assert "expected one that no other program listens at. Choose another" in outcome.err
    assert adavit("studio", source, "--port", "65536").code == 2
    outcome = adavit("studio", source, "--directions", "absent.safetensors", "--device", "cpu")
    assert outcome.code == 2
    assert "directions 'absent.safetensors' cannot be used" in outcome.err
    assert adavit("studio", "absent").code == 2
    assert served == []
