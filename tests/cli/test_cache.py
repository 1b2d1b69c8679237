from pathlib import Path

import numpy as np
import pytest

from adavit.data import load_images
from adavit.runtime.cache_folder import make_own_folder
from adavit.runtime.wording import size
from tests.cli.conftest import Adavit
from tests.references.data_files import png, write_folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sets of one image, features and a download."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ADAVIT_CACHE", str(folder))
    monkeypatch.chdir(tmp_path)
    for name in ("cats", "dogs"):
        load_images(str(write_folder(tmp_path / name, {"1.png": png(ord(name[0]))})))
    for part, length in (("features", 2_000_000), ("downloads", 3_000_000)):
        make_own_folder(folder / part)
        (folder / part / "file").write_bytes(bytes(length))
    return folder


def test_the_list_shows_each_set(adavit: Adavit, tmp_path: Path) -> None:
    outcome = adavit("cache", "list")
    assert outcome.code == 0, outcome.err
    for name in ("cats", "dogs"):
        (line,) = [line for line in outcome.out.splitlines() if str(tmp_path / name) in line]
        content = load_images(str(tmp_path / name)).fingerprint[:8]
        assert line.split()[1:7] == ["1", "8x8", "3", content, "320", "bytes"]


def test_the_same_images_are_one_line_and_others_differ_in_it(
    adavit: Adavit, tmp_path: Path
) -> None:
    for settings in ({"resolution": 8}, {"default_resolution_cap": 16}, {"channels": "grey"}):
        load_images(str(tmp_path / "cats"), **settings)
    found = [line.split() for line in adavit("cache", "list").out.splitlines() if "cats" in line]
    assert sorted(cells[3] for cells in found) == ["1", "3"]
    assert len({cells[4] for cells in found}) == 2


def test_the_size_is_told_by_part(
    adavit: Adavit, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAVIT_CACHE_GB", "2.5")
    stored = size(sum(path.stat().st_size for path in (own_cache / "images").glob("[!.]*")))
    lines = adavit("cache", "size").out.splitlines()
    assert lines[0] == str(own_cache)
    assert [line.split() for line in lines[1:4]] == [
        ["images", *stored.split(), "in", "4", "files"],
        ["features", "2", "MB", "in", "1", "file"],
        ["downloads", "3", "MB", "in", "1", "file"],
    ]
    assert "stay under 2.5 GB" in lines[4]


def test_one_set_is_removed_by_its_folder(adavit: Adavit, own_cache: Path, tmp_path: Path) -> None:
    mapped = load_images(str(tmp_path / "cats")).images
    expected = np.array(mapped)
    assert adavit("cache", "clear", "cats").code == 0
    listed = adavit("cache", "list").out
    assert "dogs" in listed
    assert "cats" not in listed
    np.testing.assert_array_equal(mapped, expected)
    assert (own_cache / "features" / "file").exists()


def test_all_is_removed_but_downloads_only_when_asked(adavit: Adavit, own_cache: Path) -> None:
    outcome = adavit("cache", "clear")
    assert "Removed 2 MB" in outcome.out
    assert sorted(path.name for path in own_cache.iterdir()) == ["downloads"]
    assert "Removed 3 MB" in adavit("cache", "clear", "--downloads").out
    assert list(own_cache.iterdir()) == []
    assert "Removed 0 bytes" in adavit("cache", "clear", "--downloads").out


def test_a_set_that_is_not_there_is_named(adavit: Adavit) -> None:
    outcome = adavit("cache", "clear", "birds")
    assert outcome.code == 2
    assert "no images of 'birds'" in outcome.err
    assert "adavit cache list" in outcome.err
