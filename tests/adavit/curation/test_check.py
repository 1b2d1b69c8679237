from pathlib import Path

import numpy as np
import pytest

from adavit.curation.check import DataCheck, check_data
from adavit.curation.source_set import open_set
from adavit.data.files.fit import FitName
from adavit.data.reading import Reading
from adavit.runtime.console import SilentConsole
from tests.adavit.curation.conftest import textured
from tests.references.data_files import encode, write_folder


def checked(source: Path, fit: FitName = "crop", resolution: int | None = None) -> DataCheck:
    reading = Reading(fit=fit)
    with open_set(
        str(source), resolution=resolution, default_resolution_cap=32, reading=reading
    ) as opened:
        return check_data(opened, source.name, seed=0, console=SilentConsole())


def test_what_was_planted_is_found(spoilt: Path) -> None:
    found = checked(spoilt)

    def named(groups: list[list[int]]) -> list[set[str]]:
        return [{found.name(index) for index in group} for group in groups]

    assert [each.name for each in found.images.skipped] == ["a/broken.png"]
    assert named(found.seen.equal) == [
        {"a/00.png", "b/leaked_00.png"},
        {"a/02.png", "a/equal_02.png"},
    ]
    assert named(found.across) == [{"a/00.png", "b/leaked_00.png"}]
    pairs = {(found.name(p.first), found.name(p.second), p.mirrored) for p in found.alike}
    assert pairs == {
        ("a/04.png", "a/mirrored_04.png", True),
        ("a/06.png", "a/near_06.jpg", False),
    }
    assert named([found.seen.blank]) == [{"a/blank.png"}]
    assert len(found.images) == 21
    assert found.effective == 17
    assert found.mirrored == 1
    assert found.formats() == {"PNG RGB": 20, "JPEG RGB": 1}
    assert found.sizes() == {"40x40": 21}
    assert found.qualities() == [40]
    assert [each.name for each in found.low_quality] == ["a/near_06.jpg"]
    assert found.floor is not None
    assert found.floor.half == 8


def test_mirrored_twins_of_two_classes_are_no_copies_and_yet_one_trial(tmp_path: Path) -> None:
    files = {f"b/{index:02d}.png": encode(textured(index)) for index in range(24)}
    files |= {f"d/{index:02d}.png": encode(textured(index)[:, ::-1]) for index in range(12)}
    found = checked(write_folder(tmp_path / "set", files))
    assert (found.alike, found.clusters, found.across) == ([], [], [])
    assert len(found.twins) == 12
    assert found.effective == 36
    assert {each.images for each in found.symmetries} == {24}


def test_bars_of_transparent_sets_hide_nothing(tmp_path: Path) -> None:
    files = {f"{index:02d}.png": encode(textured(index, 40, 120)) for index in range(60)}
    files["again.jpg"] = encode(textured(3, 40, 120), "JPEG", quality=40)
    files["blank.png"] = encode(np.full((40, 120, 3), (200, 30, 30), np.uint8))
    files["nothing.png"] = encode(np.zeros((40, 40, 4), np.uint8))
    found = checked(write_folder(tmp_path / "set", files), "pad", 64)
    assert found.images.images.shape[1:] == (4, 64, 64)
    assert [(found.name(p.first), found.name(p.second)) for p in found.alike] == [
        ("03.png", "again.jpg")
    ]
    assert [found.name(index) for index in found.seen.blank] == ["blank.png", "nothing.png"]


def test_a_named_set_is_checked_without_files(
    drawn_set: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adavit.curation import symmetry

    monkeypatch.setattr(symmetry, "MOST_IMAGES", 40)
    with open_set(drawn_set, resolution=16) as opened:
        found = check_data(opened, drawn_set, seed=0, console=SilentConsole())
    assert found.name(7) == "00007"
    assert found.seen.imbalance == 1.0
    assert [each.images for each in found.symmetries] == [40] * 5
    assert np.isfinite(found.floor.fd_random if found.floor else np.nan)
