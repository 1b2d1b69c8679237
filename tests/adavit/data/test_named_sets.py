import errno
import io
import os
import pickle
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets

from adavit.data import load_images
from adavit.data.known_names import NAMES, TORCHVISION_SETS
from adavit.data.small_set import images as small_set_images
from adavit.data.small_set.images import draw_small_set
from adavit.errors import RunError, UserError
from tests.references.data_files import encode, pixels


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def test_drawings_load_by_their_name_without_network() -> None:
    found = load_images("small_set:43")
    assert found.source == "small_set:43"
    assert found.name == "small_set-43"
    assert found.images.shape == (43, 3, 32, 32)
    np.testing.assert_array_equal(found.images, draw_small_set(43)[0].transpose(0, 3, 1, 2))
    assert found.classes[:2] == ("ball", "boat")
    assert found.labels is not None
    assert found.labels.tolist() == [index % 10 for index in range(43)]
    assert any("10 from the drawing" in note for note in found.notes)
    assert not found.names


def test_a_seed_gives_other_drawings_and_seed_0_the_same() -> None:
    first, same, other = (
        load_images(name) for name in ("small_set:20", "small_set@0:20", "small_set@7:20")
    )
    assert first.fingerprint == same.fingerprint
    assert same.source == "small_set:20"  # so that both are one entry of the cache
    assert other.name == "small_set-seed7-20"
    np.testing.assert_array_equal(other.images, draw_small_set(20, seed=7)[0].transpose(0, 3, 1, 2))


def test_drawings_are_resized_below_32_px_and_drawn_up_to_64() -> None:
    assert load_images("small_set:12", resolution=16, channels="grey").images.shape == (
        12,
        1,
        16,
        16,
    )
    large = load_images("small_set:12", resolution=64)
    np.testing.assert_array_equal(
        large.images, draw_small_set(12, size_px=64)[0].transpose(0, 3, 1, 2)
    )
    assert any("64x64" in note and "not resized" in note for note in large.notes)
    assert any("enlarged" in note for note in load_images("small_set:2", resolution=128).notes)


def test_drawings_are_drawn_once_each_and_only_a_few_are_held(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[tuple[int, int]] = []

    def flat(kind: int, number: int, *, seed: int, size_px: int) -> np.ndarray:
        calls.append((kind, number))
        return np.full((20, size_px, size_px, 3), number, dtype=np.uint8)

    monkeypatch.setattr(small_set_images, "draw_batch", flat)
    found = load_images("small_set@3:1000", cache_dir=tmp_path)
    assert sorted(calls) == [(kind, number) for kind in range(10) for number in range(5)]
    assert found.images[:, 0, 0, 0].tolist() == [index // 200 for index in range(1000)]
    load_images("small_set@3:1000", cache_dir=tmp_path)
    assert len(calls) == 50  # the second time it is in the cache


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("cifra10", "Did you mean 'cifar10'"),
        ("Small_Set", "Did you mean 'small_set'"),
        ("my/photos", "Check the path"),
        ("sub/my_photo", "Did you mean 'sub/my_photos'"),
    ],
)
def test_an_unknown_name_lists_the_names_and_the_nearest(
    source: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub" / "my_photos").mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        load_images(source)
    message = str(caught.value)
    assert message.startswith(
        f"data.source '{source}' does not exist and is not a name, but must be"
    )
    assert all(name in message for name in NAMES)
    assert advice in message


@pytest.mark.parametrize("source", ["cifar10:val", "cifar10:", "stl10:trian"])
def test_an_unknown_split_lists_the_splits(source: str) -> None:
    name = source.split(":")[0]
    with pytest.raises(
        UserError, match=f"asks for a split that {name} does not have, but .* {name}:test"
    ):
        load_images(source)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", sorted(TORCHVISION_SETS))
def test_offline_says_which_file_to_put_where(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        load_images(f"{name}:test", data_root=tmp_path / "root")
    message = str(caught.value)
    assert message.startswith(f"data.source '{name}' is not complete in {tmp_path / 'root'}")
    assert "no route to host" in message
    assert "--data-root" in message
    assert "\n" not in message
    for file in TORCHVISION_SETS[name].files:
        assert str(tmp_path / "root" / file) in message
        assert TORCHVISION_SETS[name].url + file.split("/")[-1] in message


def test_a_full_disk_is_a_failure_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(urllib.request, "urlopen", full_disk)
    with pytest.raises(
        RunError, match=r"The disk of .* is full, but 'cifar10' must .* --data-root"
    ):
        load_images("cifar10", data_root=tmp_path)


@pytest.mark.parametrize("name", sorted(TORCHVISION_SETS))
def test_files_named_in_the_message_are_those_torchvision_reads(name: str) -> None:
    kind = getattr(torchvision.datasets, TORCHVISION_SETS[name].class_name)
    if name == "flowers102":
        expected = [kind._download_url_prefix + file for file, _ in kind._file_dict.values()]
    else:
        expected = [kind.url]
    named = TORCHVISION_SETS[name]
    assert [named.url + file.split("/")[-1] for file in named.files] == expected


class Payload:
    """What runs when a pickle of it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("form", ["unpacked", "archive"])
@pytest.mark.parametrize(
    ("name", "folder", "archive"),
    [
        ("cifar10", "cifar-10-batches-py", "cifar-10-python.tar.gz"),
        ("cifar100", "cifar-100-python", "cifar-100-python.tar.gz"),
    ],
)
def test_a_hostile_batch_is_refused_by_its_digest_and_never_unpickled(
    tmp_path: Path, form: str, name: str, folder: str, archive: str
) -> None:
    hostile = pickle.dumps(Payload(tmp_path / "was-run"))
    files = [
        "batches.meta",
        "meta",
        "test_batch",
        "train",
        "test",
        *(f"data_batch_{n}" for n in range(1, 6)),
    ]
    if form == "unpacked":
        (tmp_path / folder).mkdir()
        for file in files:
            (tmp_path / folder / file).write_bytes(hostile)
    else:
        with tarfile.open(tmp_path / archive, "w:gz") as tar:
            for file in files:
                info = tarfile.TarInfo(f"{folder}/{file}")
                info.size = len(hostile)
                tar.addfile(info, io.BytesIO(hostile))
    for split in ("train", "test"):
        with pytest.raises(UserError, match="needs its published files"):
            load_images(f"{name}:{split}", data_root=tmp_path)
    assert not (tmp_path / "was-run").exists()
    if form == "archive":
        assert not (tmp_path / folder).exists()  # not even unpacked


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CIFAR-10 of 4 images per batch, with digests to match."""
    import hashlib

    kind = torchvision.datasets.CIFAR10
    folder = root / kind.base_folder
    folder.mkdir(parents=True)

    def write(file: str, content: object) -> str:
        data = pickle.dumps(content)
        (folder / file).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def batch(file: str, seed: int) -> list[str]:
        content = {"data": pixels(4, 3072, seed=seed), "labels": [3, 1, 3, 0]}
        return [file, write(file, content)]

    monkeypatch.setattr(kind, "train_list", [batch(f"data_batch_{n}", n) for n in range(1, 6)])
    monkeypatch.setattr(kind, "test_list", [batch("test_batch", 9)])
    classes = {"label_names": ["plane", "car", "bird", "cat"]}
    meta = {"filename": "batches.meta", "key": "label_names", "md5": write("batches.meta", classes)}
    monkeypatch.setattr(kind, "meta", meta)


@pytest.mark.usefixtures("offline")
def test_cifar10_and_its_other_split_load_from_files_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar10(tmp_path, monkeypatch)
    train = load_images("cifar10", data_root=tmp_path)
    test = load_images("cifar10:test", data_root=tmp_path)
    assert (train.name, test.name) == ("cifar10", "cifar10-test")
    assert train.images.shape == (20, 3, 32, 32)
    np.testing.assert_array_equal(test.images, pixels(4, 3072, seed=9).reshape(4, 3, 32, 32))
    assert test.labels is not None
    assert test.labels.tolist() == [3, 1, 3, 0]
    assert test.classes == ("plane", "car", "bird", "cat")
    # From the cache, the files are not needed any more.
    assert load_images("cifar10:test", data_root=tmp_path / "gone").fingerprint == test.fingerprint


class FakeStl10:
    def __init__(self, root: str, split: str, download: bool) -> None:
        self.data = pixels(3, 3, 96, 96)
        self.labels = np.array(
            [-1, -1, -1] if split == "unlabeled" else [0, 1, 0],
            dtype=np.uint8 if split != "unlabeled" else int,
        )
        self.classes = ["airplane", "bird"]


def test_stl10_is_turned_to_our_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets, "STL10", FakeStl10)
    found = load_images("stl10", resolution=32)
    assert found.images.shape == (3, 3, 32, 32)
    assert found.classes == ("airplane", "bird")
    assert load_images("stl10").images.shape[2:] == (64, 64)
    unlabelled = load_images("stl10:unlabeled")
    assert unlabelled.labels is None
    assert unlabelled.name == "stl10-unlabeled"


def test_flowers102_reads_the_files_of_its_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"image_{index:05d}.jpg" for index in (7, 2)]

    class FakeFlowers:
        classes = torchvision.datasets.Flowers102.classes

        def __init__(self, root: str, split: str, download: bool) -> None:
            self._image_files, self._labels = paths, [5, 0]

    monkeypatch.setattr(torchvision.datasets, "Flowers102", FakeFlowers)
    paths[0].write_bytes(encode(pixels(40, 50, 3), "JPEG"))
    with pytest.raises(
        UserError, match=r"lacks 1 of its 2 images, such as .*image_00002\.jpg, but must .* Remove"
    ):
        load_images("flowers102")
    paths[1].write_bytes(encode(pixels(70, 50, 3), "JPEG"))
    found = load_images("flowers102")
    assert found.images.shape == (2, 3, 32, 32)
    assert found.labels is not None
    assert [found.classes[label] for label in found.labels] == ["tiger lily", "pink primrose"]


@pytest.mark.network
@pytest.mark.slow
def test_cifar10_downloads(tmp_path: Path) -> None:
    assert load_images("cifar10:test", data_root=tmp_path).images.shape == (10_000, 3, 32, 32)
