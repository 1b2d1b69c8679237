import logging
from pathlib import Path

import pytest
import torch

from adavit.data import load_images
from adavit.errors import UserError
from adavit.metrics import reference_cache
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.reference_cache import cache_key, cached_features
from adavit.runtime import cache_folder
from tests.references.data_files import png, write_folder
from tests.references.metrics_images import drawn_images

FEATURES = torch.arange(15, dtype=torch.float32).reshape(5, 3)
KEY = "ab" * 32


def unexpected() -> torch.Tensor:
    raise AssertionError("the features were cached and need not be computed")


def cache_file(folder: Path) -> Path:
    (path,) = (folder / "features").glob("[!.]*")  # also: no temporary file is left
    return path


def test_the_second_call_reads_what_the_first_computed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    assert torch.equal(cached_features(folder, KEY, lambda: FEATURES), FEATURES)
    assert torch.equal(cached_features(folder, KEY, unexpected), FEATURES)
    cache_file(folder)


def test_a_wrong_limit_is_told_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_features(tmp_path, KEY, lambda: FEATURES)
    monkeypatch.setenv("ADAVIT_CACHE_GB", "much")
    for key in (KEY, "cd" * 32):
        with pytest.raises(UserError, match="ADAVIT_CACHE_GB is 'much'"):
            cached_features(tmp_path, key, unexpected)


def test_another_key_is_another_file(tmp_path: Path) -> None:
    cached_features(tmp_path, KEY, lambda: FEATURES)
    other = cached_features(tmp_path, "cd" * 32, lambda: FEATURES + 1)
    assert torch.equal(other, FEATURES + 1)


@pytest.mark.parametrize("damage", ["truncated", "flipped bit", "empty", "text"])
def test_a_damaged_file_is_made_anew(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    cached_features(tmp_path, KEY, lambda: FEATURES)
    path = cache_file(tmp_path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 64
    damaged = {
        "truncated": path.read_bytes()[:-8],
        "flipped bit": bytes(content),
        "empty": b"",
        "text": b"hello",
    }
    path.write_bytes(damaged[damage])
    with caplog.at_level(logging.WARNING):
        assert torch.equal(cached_features(tmp_path, KEY, lambda: FEATURES), FEATURES)
    assert "made anew" in caplog.text
    assert torch.equal(cached_features(tmp_path, KEY, unexpected), FEATURES)


def test_a_file_renamed_from_another_key_is_not_believed(tmp_path: Path) -> None:
    cached_features(tmp_path, KEY, lambda: FEATURES)
    path = cache_file(tmp_path)
    path.rename(path.with_name(f"features-{'cd' * 16}.safetensors"))
    other = cached_features(tmp_path, "cd" * 32, lambda: FEATURES + 1)
    assert torch.equal(other, FEATURES + 1)


def test_a_folder_that_cannot_be_written_is_logged_and_costs_only_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with caplog.at_level(logging.WARNING):
        features = cached_features(blocked / "cache", KEY, lambda: FEATURES)
    assert torch.equal(features, FEATURES)
    assert "not cached" in caplog.text


def test_the_key_changes_with_pixels_shape_weights_device_and_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, extractor = drawn_images(4, seed=0), RandomFeatures()
    base = cache_key(images, extractor)
    assert cache_key(images.copy(), extractor) == base
    changed = images.copy()
    changed[3, 2, 31, 31] ^= 1
    keys = {base, cache_key(changed, extractor), cache_key(images[:, :, :16], extractor)}
    keys.add(cache_key(images[::-1], extractor))
    for attribute, value in (
        ("weights_digest", "f" * 64),
        ("name", "other"),
        ("device", torch.device("meta")),
    ):
        other = RandomFeatures()
        setattr(other, attribute, value)
        keys.add(cache_key(images, other))
    monkeypatch.setattr(reference_cache, "FEATURES_VERSION", reference_cache.FEATURES_VERSION + 1)
    keys.add(cache_key(images, extractor))
    assert len(keys) == 8


def test_a_set_and_its_features_beyond_the_limit_do_not_remove_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = tmp_path / "set", tmp_path / "cache"
    write_folder(folder, {f"{number}.png": png(number, 16) for number in range(6)})
    monkeypatch.setenv("ADAVIT_CACHE_GB", "0.000001")
    done: list[str] = []

    def extract() -> torch.Tensor:
        done.append("extracted")
        return torch.zeros(6, 64)

    for _ in range(3):
        monkeypatch.setattr(cache_folder, "_used_here", set())  # a process each
        load_images(str(folder), cache_dir=cache, progress=lambda *_: done.append("decoded"))
        cached_features(cache, 64 * "a", extract)
    assert set(done) == {"decoded", "extracted"}
    assert done.count("extracted") == 1
    assert done.index("extracted") == len(done) - 1
