import os
from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.runtime import cache_folder
from adavit.runtime.cache_folder import cache_limit_bytes, default_cache_dir, mark_used, trim


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
    names = ["downloads/cifar.tar.gz", "images/a.npy", "features/b.safetensors", "images/c.npy"]
    for age, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(1000))
        os.utime(path, (1000 + age, 1000 + age))
    monkeypatch.setenv("ADAVIT_CACHE_GB", "0.000002")
    assert trim(tmp_path) == [tmp_path / "images/a.npy"]
    assert trim(tmp_path) == []
    mark_used(tmp_path / "features/b.safetensors")
    monkeypatch.setenv("ADAVIT_CACHE_GB", "0")
    kept = tmp_path / "images/c.npy"
    assert trim(tmp_path, keep=[kept]) == [tmp_path / "features/b.safetensors"]
    assert kept.exists()
    assert (tmp_path / names[0]).exists()
