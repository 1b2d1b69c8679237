import os
import time
from pathlib import Path

import pytest

from adavit.data.files.folder import list_folder
from adavit.data.files.members import Member, Skipped
from adavit.errors import UserError
from adavit.runtime import cache_folder
from adavit.runtime.cache_folder import (
    PARTS,
    cache_limit_bytes,
    default_cache_dir,
    empty_part,
    make_own_folder,
    mark_used,
    trim,
)
from tests.references.data_files import png, write_folder


def test_cache_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_folder.sys, "platform", "linux")
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("ADAVIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "adavit"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_cache_dir() == Path.home() / ".cache" / "adavit"
    monkeypatch.setattr(cache_folder.sys, "platform", "darwin")
    assert default_cache_dir() == Path.home() / "Library" / "Caches" / "adavit"
    monkeypatch.setattr(cache_folder.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert default_cache_dir() == tmp_path / "adavit" / "Cache"


def test_the_limit_is_20_gb_or_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADAVIT_CACHE_GB", raising=False)
    assert cache_limit_bytes() == 20_000_000_000
    monkeypatch.setenv("ADAVIT_CACHE_GB", "0.5")
    assert cache_limit_bytes() == 500_000_000


@pytest.mark.parametrize("given", ["much", "-1", "nan", "inf", "1e999"])
def test_a_limit_that_is_no_size_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("ADAVIT_CACHE_GB", given)
    with pytest.raises(UserError, match="must be a number of gigabytes"):
        cache_limit_bytes()


def test_sets_and_features_used_longest_ago_are_removed_and_downloads_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [
        "downloads/cifar.tar.gz",
        f"images/{64 * 'a'}.npy",
        f"features/features-{32 * 'b'}.safetensors",
        f"images/{64 * 'c'}.npy",
        "images/theirs.npy",
    ]
    for age, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(1000))
        os.utime(path, (1000 + age, 1000 + age))
    monkeypatch.setattr(cache_folder, "_used_here", set())
    monkeypatch.setenv("ADAVIT_CACHE_GB", "0.000002")
    assert trim(tmp_path) == [tmp_path / names[1]]
    assert trim(tmp_path) == []
    mark_used(tmp_path / names[2])
    assert (tmp_path / names[2]).stat().st_mtime > (tmp_path / names[3]).stat().st_mtime
    monkeypatch.setenv("ADAVIT_CACHE_GB", "0")
    assert trim(tmp_path) == [tmp_path / names[3]]
    assert (tmp_path / names[2]).exists()
    monkeypatch.setattr(cache_folder, "_used_here", set())  # in another process
    assert trim(tmp_path) == [tmp_path / names[2]]
    assert (tmp_path / names[0]).exists()
    assert (tmp_path / names[4]).exists()


def test_what_adavit_made_is_emptied_whole_and_of_a_folder_of_others_its_own_files_alone(
    tmp_path: Path,
) -> None:
    own = f"{64 * '0'}.json"
    for part in PARTS:
        theirs = tmp_path / "theirs" / part
        theirs.mkdir(parents=True)
        make_own_folder(theirs)
        (theirs / "photo.png").write_text("theirs")
        make_own_folder(tmp_path / "ours" / part)
        (tmp_path / "ours" / part / "anything").write_text("ours")
    (tmp_path / "theirs" / "images" / own).write_text("{}")
    for part in PARTS:
        empty_part(tmp_path / "theirs", part)
        empty_part(tmp_path / "ours", part)
    assert not list((tmp_path / "ours").iterdir())
    assert {path.name for path in (tmp_path / "theirs").glob("*/*")} == {"photo.png"}
    assert len(list((tmp_path / "theirs").glob("*/*"))) == len(PARTS)


def test_what_killed_processes_left_goes_after_a_day(tmp_path: Path) -> None:
    old, young, theirs = (
        tmp_path / name
        for name in (".tmp-1-0123abcd.partial", ".features-a.2-0123abcd.partial", "notes.partial")
    )
    for path in (old, young, theirs):
        path.write_bytes(b"x")
    for path in (old, theirs):
        os.utime(path, (0, time.time() - 2 * 24 * 3600))
    make_own_folder(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([young, theirs])


def test_the_cache_is_no_data_wherever_it_lies(tmp_path: Path) -> None:
    write_folder(tmp_path, {"1.png": png(1), "2.png": png(2)})
    for part in PARTS:
        make_own_folder(tmp_path / "cache" / part)
        write_folder(tmp_path / "cache" / part, {"flower.png": png(3)})
    found = list_folder(tmp_path)
    assert {each.name for each in found if isinstance(each, Member)} == {"1.png", "2.png"}
    assert {each.name for each in found if isinstance(each, Skipped)} == {
        f"cache/{part}/" for part in PARTS
    }
