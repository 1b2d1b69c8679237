from pathlib import Path

import pytest

from tests.cli.conftest import Adavit
from tests.hub_stub import hub_for_tests
from tests.stored_generators import store_generator


def test_publish_lists_first_and_sends_with_yes(
    adavit: Adavit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_generator(Path("g.safetensors"), config={"data": {"source": "./cats.zip"}})
    with hub_for_tests(tmp_path / "hf", monkeypatch) as hub:
        listed = adavit("publish", "g.safetensors", "--to", "hub:me/cats")
        assert listed.code == 0, listed.err
        assert hub.asked == []
        assert "made with: cats.zip." in listed.out
        assert listed.out.splitlines()[-1].startswith("Nothing was sent.")
        sent = adavit("publish", "g.safetensors", "--to", "hub:me/cats", "--yes")
        assert sent.code == 0, sent.err
        assert sent.out.splitlines()[-1] == f"It is at {hub.address}/me/cats."
        assert len(hub.repositories["me/cats"]) == 4
        drawn = adavit("generate", "hub:me/cats", "--seeds", "0", "--out", "drawn")
        assert drawn.code == 0, drawn.err
        assert Path("drawn/seed0000.png").is_file()


def test_a_wrong_name_is_refused_before_anything_is_read(adavit: Adavit) -> None:
    done = adavit("publish", "absent", "--to", "me/cats")
    assert done.code == 2
    assert "--to 'me/cats' names no repository of a hub, expected hub:USER/NAME" in done.err
