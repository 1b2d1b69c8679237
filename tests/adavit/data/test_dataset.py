import errno
import io
import json
import os
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from PIL.PngImagePlugin import PngImageFile

from adavit.data import assemble, cache, load_images
from adavit.data.channels import Channels
from adavit.data.dataset import safe_name
from adavit.data.files.resize import Box
from adavit.data.reading import Reading, Scale16Bit
from adavit.errors import RunError, UserError
from adavit.runtime.drawn_images import drawn_png
from tests.references.data_files import encode, pixels, png, png_header, write_folder, write_zip
from tests.references.image_writers import (
    DISPLAY_P3,
    PNG_CHANNELS,
    write_png,
    write_profile,
    write_tiff,
)


def two_classes() -> dict[str, bytes]:
    return {"dog/1.png": png(1), "dog/2.png": png(2), "cat/3.png": png(3)}


def test_a_folder_gives_images_labels_and_notes(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "my pets!", two_classes())
    found = load_images(str(folder))
    assert found.name == "my-pets"
    assert found.source == str(folder.resolve())
    assert found.images.shape == (3, 3, 8, 8)
    assert found.images.dtype == np.uint8
    expected = np.stack([pixels(8, 8, 3, seed=seed).transpose(2, 0, 1) for seed in (3, 1, 2)])
    np.testing.assert_array_equal(found.images, expected)
    assert found.labels is not None
    assert found.labels.dtype == np.int64
    assert found.labels.tolist() == [0, 1, 1]
    assert found.classes == ("cat", "dog")
    assert found.skipped == ()
    assert len(found) == 3
    assert found.notes == (
        f"Found 3 images of 8x8 px in {folder.resolve()}.",
        "Resolution: 8x8 (the largest power of two that fits 3 of 3 images); not resized.",
        "Channels: rgb (all pixels are opaque, not all are grey).",
        "Classes: 2 from sub-folders (cat 1, dog 2).",
    )


def test_a_zip_of_a_folder_is_the_same_set(tmp_path: Path) -> None:
    folder = load_images(str(write_folder(tmp_path / "pets", two_classes())))
    archive = load_images(str(write_zip(tmp_path / "pets.zip", two_classes())))
    assert archive.name == "pets"
    assert archive.fingerprint == folder.fingerprint
    np.testing.assert_array_equal(archive.images, folder.images)


def test_members_of_a_zip_never_leave_it(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    path = write_zip(
        inside / "a.zip", {"../evil.png": png(), "/tmp/evil.png": png(), "1.png": png()}
    )
    found = load_images(str(path))
    assert len(found) == 1
    assert [each.name for each in found.skipped] == ["../evil.png", "/tmp/evil.png"]
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["a.zip", "inside"]


def test_files_that_cannot_be_read_are_listed_and_never_fatal(tmp_path: Path) -> None:
    files = {
        "1.png": png(),
        "empty.png": b"",
        "notes.txt": b"hello",
        "oversized.png": png_header(60_000, 60_000),
        "truncated.jpg": encode(pixels(64, 64, 3), "JPEG")[:600],
    }
    for source in (write_folder(tmp_path / "a", files), write_zip(tmp_path / "a.zip", files)):
        found = load_images(str(source))
        assert len(found) == 1
        reasons = {each.name: each.reason for each in found.skipped}
        assert list(reasons) == ["empty.png", "notes.txt", "oversized.png", "truncated.jpg"]
        assert reasons["empty.png"] == "is empty (0 bytes)"
        assert (
            reasons["notes.txt"] == "is not a PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF or HEIC image"
        )
        assert "over 250 megapixels" in reasons["oversized.png"]
        assert "is damaged" in reasons["truncated.jpg"]
        assert found.notes[-1].startswith("Skipped 4 files: empty.png is empty")


def test_a_member_with_a_wrong_checksum_is_skipped(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.png": png(1), "2.png": png(2)})
    data = bytearray(path.read_bytes())
    data[60] ^= 255  # inside the first member
    path.write_bytes(data)
    found = load_images(str(path))
    assert len(found) == 1
    assert found.skipped[0].name == "1.png"
    assert "is damaged: Bad CRC-32" in found.skipped[0].reason


def test_classes_are_those_of_readable_images_only(tmp_path: Path) -> None:
    files = two_classes() | {"README.txt": b"about", "bird/broken.png": b"x"}
    found = load_images(str(write_folder(tmp_path / "a", files)))
    assert found.classes == ("cat", "dog")


def test_no_image_left_is_an_error_that_lists_why(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", {f"{index}.txt": b"x" for index in range(7)})
    match = (
        r"has no image that can be read \(7 files were skipped: 0\.txt is not .*; and 2 more\), but"
        r" must .* Give"
    )
    with pytest.raises(UserError, match=match):
        load_images(str(folder))
    with pytest.raises(UserError, match=r"\(it has no files, hidden ones apart\)"):
        load_images(str(write_folder(tmp_path / "b", {})))


def test_a_folder_that_hides_a_known_set_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "cifar10", {".hidden.png": png()})
    match = r"it has no files, hidden ones apart.* For the known set cifar10 rename the folder"
    with pytest.raises(UserError, match=match):
        load_images("cifar10")


def test_a_folder_that_may_not_be_opened_is_not_called_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(UserError, match=r"cannot be read \(Permission denied\).* Check their perm"):
        load_images("closed/photos", cache_dir=tmp_path)


def test_dataset_json_wins_over_folders(tmp_path: Path) -> None:
    labels = {"labels": [["dog/1.png", 5], ["dog/2.png", 9], ["cat/3.png", 5]]}
    files = two_classes() | {"dataset.json": json.dumps(labels).encode()}
    for source in (write_folder(tmp_path / "a", files), write_zip(tmp_path / "a.zip", files)):
        found = load_images(str(source))
        assert found.classes == ("5", "9")
        assert found.labels is not None
        assert found.labels.tolist() == [0, 0, 1]
        assert found.skipped == ()


def test_a_changed_dataset_json_is_noticed(tmp_path: Path) -> None:
    files = two_classes()
    folder = write_folder(tmp_path / "a", files)
    assert load_images(str(folder)).classes == ("cat", "dog")
    (folder / "dataset.json").write_text('{"labels": null}')
    found = load_images(str(folder))
    assert found.labels is None
    assert "Classes: none (dataset.json has no labels)." in found.notes


def test_default_resolution_fits_most_images_up_to_the_limit(tmp_path: Path) -> None:
    files = {"1.png": png(1, 40), "2.png": png(2, 70), "3.png": png(3, 90), "4.jpg": b"x"}
    folder = str(write_folder(tmp_path / "a", files))
    assert load_images(folder).images.shape[2:] == (64, 64)
    assert "fits 2 of 3 images; 1 smaller one is enlarged); resized" in load_images(folder).notes[1]
    limited = load_images(folder, default_resolution_cap=32)
    assert limited.images.shape[2:] == (32, 32)
    assert (
        "the default's limit here is 32, most images are larger; --resolution 64 shows"
        in limited.notes[1]
    )
    asked = load_images(folder, resolution=16)
    assert asked.images.shape[2:] == (16, 16)
    assert asked.notes[1] == "Resolution: 16x16; resized with Lanczos."


def test_notes_tell_of_cropping(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", {"1.png": encode(pixels(8, 12, 3))})
    assert load_images(str(folder)).images.shape[2:] == (8, 12)
    found = load_images(str(folder)).notes
    assert found[0].startswith("Found 1 image of 12 px in width and 8 in height in ")
    assert found[1].endswith("fits 1 of 1 images); not resized.")
    square = load_images(str(folder), resolution=8)
    assert (
        "centre squares (1 of 1 lose over a quarter; --fit pad keeps all), not resized"
        in square.notes[1]
    )
    for fit, words in (("pad", "filled up at the borders, "), ("stretch", "stretched (half of")):
        fitted = load_images(str(folder), resolution="8x8", reading=Reading(fit=fit))  # type: ignore[arg-type]
        assert fitted.images.shape[2:] == (8, 8)
        assert words in fitted.notes[1]
        again = load_images(str(folder), resolution="8x8", reading=Reading(fit=fit))  # type: ignore[arg-type]
        assert fitted.stretch == again.stretch == (1.5 if fit == "stretch" else None)
        wanted = (Box(0, 1, 8, 5),) if fit == "pad" else ()  # 12 x 8 pixels become 8 x 5
        assert fitted.inside == again.inside == wanted
    assert (square.stretch, square.inside) == (None, ())


@pytest.mark.parametrize(
    ("channels", "kinds", "transparent"),
    [
        ("auto", (4, 3, 1, 4), True),  # opaque ones among others are filled up as those are
        ("auto", (3, 3, 1, 3), False),
        ("rgb", (4, 3, 1, 4), False),
        ("rgba", (3, 3, 1, 3), True),
    ],
)
def test_all_images_of_a_set_are_filled_up_alike(
    tmp_path: Path, channels: Channels, kinds: tuple[int, ...], transparent: bool
) -> None:
    files = {
        f"{index}.png": encode(pixels(4, 8, kind) if kind > 1 else pixels(4, 8))
        for index, kind in enumerate(kinds)
    }
    folder = str(write_folder(tmp_path / "a", files))
    images = load_images(folder, resolution=8, channels=channels, reading=Reading(fit="pad")).images
    assert images.shape == (4, 4 if transparent else 3, 8, 8)
    above, shown, below = images[:, :, :2], images[:, :, 2:6], images[:, :, 6:]
    if transparent:
        assert not above.any()
        assert not below.any()
        assert shown.any(axis=(1, 2, 3)).all()
    else:
        np.testing.assert_array_equal(above, shown[:, :, 2:0:-1])
        np.testing.assert_array_equal(below, shown[:, :, -2:-4:-1])


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"1.png": png(1, channels=1), "2.png": encode(np.stack([pixels(8, 8)] * 3, -1))}, 1),
        ({"1.png": png(1, channels=1), "2.png": png(2)}, 3),
        ({"1.png": png(1, channels=1), "2.png": png(2, channels=4)}, 4),
    ],
)
def test_channels_are_found_over_the_whole_set(
    tmp_path: Path, files: dict[str, bytes], count: int
) -> None:
    folder = str(write_folder(tmp_path / "a", files))
    assert load_images(folder).images.shape[1] == count
    for channels, expected in (("grey", 1), ("rgb", 3), ("rgba", 4)):
        assert load_images(folder, channels=channels).images.shape[1] == expected  # type: ignore[arg-type]


def test_the_second_load_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    for source in (
        write_folder(tmp_path / "a", two_classes()),
        write_zip(tmp_path / "b.zip", two_classes()),
    ):
        first = load_images(str(source), progress=lambda done, total: calls.append((done, total)))
        assert calls == [(3, 3)]
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(assemble, "decode", lambda *_: pytest.fail("decoded again"))
            second = load_images(str(source), progress=lambda *_: pytest.fail("decoded again"))
        assert isinstance(second.images, np.memmap)
        np.testing.assert_array_equal(second.images, first.images)
        assert first.labels is not None
        assert second.labels is not None
        np.testing.assert_array_equal(second.labels, first.labels)
        for name in ("name", "classes", "fingerprint", "skipped", "source", "notes"):
            assert getattr(second, name) == getattr(first, name), name


def test_each_setting_has_its_own_entry(tmp_path: Path) -> None:
    folder = str(write_folder(tmp_path / "a", {"1.png": png(1, 32, 4)}))
    shapes = {
        load_images(folder).images.shape,
        load_images(folder, default_resolution_cap=16).images.shape,
        load_images(folder, resolution=8).images.shape,
        load_images(folder, channels="rgb").images.shape,
    }
    assert shapes == {(1, 4, 32, 32), (1, 4, 16, 16), (1, 4, 8, 8), (1, 3, 32, 32)}


@pytest.mark.parametrize("change", ["add", "remove", "rename", "touch", "grow"])
def test_a_changed_folder_is_read_again(tmp_path: Path, change: str) -> None:
    folder = write_folder(tmp_path / "a", two_classes())
    load_images(str(folder))
    path = folder / "dog" / "1.png"
    if change == "add":
        shutil.copy(path, folder / "dog" / "9.png")
    elif change == "remove":
        path.unlink()
    elif change == "rename":
        path.rename(folder / "cat" / "1.png")
    elif change == "touch":
        os.utime(path, ns=(1, 1))
    else:
        path.write_bytes(png(7, 16))
    calls: list[int] = []
    load_images(str(folder), progress=lambda done, _: calls.append(done))
    assert calls


def test_a_changed_zip_is_read_again(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.png": png(1)})
    first = load_images(str(path))
    write_zip(path, {"1.png": png(2)})
    assert load_images(str(path)).fingerprint != first.fingerprint


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_files_replaced_under_the_same_name_size_and_time_are_read_again(
    tmp_path: Path, kind: str
) -> None:
    """As by unpacking an archive whose times are fixed: 1980 for all of them, whatever they hold."""
    source = tmp_path / f"set.{kind}"

    def write(value: int) -> None:
        bmp = encode(np.full((8, 8, 3), value, dtype=np.uint8), "BMP")
        if kind == "zip":
            source.unlink(missing_ok=True)
            write_zip(source, {"1.bmp": bmp})
        else:
            shutil.rmtree(source, ignore_errors=True)
            write_folder(source, {"1.bmp": bmp})
            os.utime(source / "1.bmp", (315_532_800, 315_532_800))
        os.utime(source, (315_532_800, 315_532_800))

    write(200)
    assert load_images(str(source)).images.max() == 200
    write(20)
    assert load_images(str(source)).images.max() == 20


def test_a_zip_repaired_behind_the_same_checksums_is_read_again(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.png": png(1), "2.png": png(2)})
    whole = path.read_bytes()
    path.write_bytes(whole[:60] + bytes([whole[60] ^ 255]) + whole[61:])
    assert len(load_images(str(path))) == 1
    path.write_bytes(whole)
    assert len(load_images(str(path))) == 2


@pytest.mark.parametrize(
    "code", [errno.EACCES, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE, errno.ETIMEDOUT]
)
@pytest.mark.parametrize("call", ["open", "read"])
def test_what_the_system_refuses_once_is_no_fact_about_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    folder = write_folder(tmp_path / "a", two_classes())

    class Refusing(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError(code, os.strerror(code))

    def refused(path: str | Path) -> io.BufferedIOBase:
        if not str(path).endswith("1.png"):
            return open(path, "rb")
        if call == "open":
            raise OSError(code, os.strerror(code))
        return Refusing()

    with monkeypatch.context() as patch:
        patch.setattr("adavit.data.files.folder.open_file", refused)
        found = load_images(str(folder))
        assert [(each.name, each.reason) for each in found.skipped] == [
            ("dog/1.png", f"cannot be read ({os.strerror(code)})")
        ]
    assert len(load_images(str(folder))) == 3


@pytest.mark.parametrize(
    ("module", "reader", "brand"),
    [
        ("pillow_heif", "HeifImageFile", b"heic"),
        ("pillow_avif.AvifImagePlugin", "AvifImageFile", b"avif"),
    ],
)
def test_images_that_need_a_package_are_there_once_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, reader: str, brand: bytes
) -> None:
    head = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0" + 2 * brand
    folder = str(write_folder(tmp_path / "a", two_classes() | {"dog/4.heic": head}))
    others = str(write_folder(tmp_path / "b", two_classes()))
    monkeypatch.setattr(features, "check", lambda _: False)  # Pillow may read AVIF itself
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    monkeypatch.setitem(sys.modules, module, None)
    for _ in range(2):
        found = load_images(folder)
        assert [each.name for each in found.skipped] == ["dog/4.heic"]
    assert len(load_images(others)) == 3
    package, plugin = types.ModuleType("package"), types.ModuleType("plugin")
    setattr(plugin, reader, lambda stream, name: Image.new("RGB", (8, 8)))
    monkeypatch.setitem(sys.modules, module.partition(".")[0], package)
    monkeypatch.setitem(sys.modules, module, plugin)
    found = load_images(folder)
    assert (len(found), found.skipped) == (4, ())
    decoded: list[int] = []
    assert len(load_images(others, progress=lambda done, total: decoded.append(done))) == 3
    assert not decoded, "sets without such files stay in the cache"
    assert len(load_images(folder, progress=lambda done, total: decoded.append(done))) == 4
    assert not decoded


@pytest.mark.parametrize("error", [MemoryError(), OSError("out of memory error when reading")])
def test_an_image_that_the_memory_does_not_suffice_for_is_tried_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    folder = write_folder(tmp_path / "a", two_classes())
    load, left = PngImageFile.load, [2]

    def short_of_memory(image: PngImageFile) -> object:
        if left[0]:
            left[0] -= 1
            raise error
        return load(image)

    monkeypatch.setattr(PngImageFile, "load", short_of_memory)
    assert len(load_images(str(folder))) == 3


def test_memory_that_does_not_suffice_ends_the_run_and_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "a", two_classes())

    def short_of_memory(_: PngImageFile) -> object:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(PngImageFile, "load", short_of_memory)
        with pytest.raises(
            RunError, match=r"is not enough memory to decode cat/3\.png\. Free some"
        ):
            load_images(str(folder))
    assert len(load_images(str(folder))) == 3


def test_a_label_file_that_the_system_refuses_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the set would be trained on with other classes, or none."""
    folder = write_folder(tmp_path / "a", two_classes() | {"dataset.json": b"{}"})

    def refused(path: str | Path) -> io.BufferedIOBase:
        if str(path).endswith(".json"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return open(path, "rb")

    monkeypatch.setattr("adavit.data.files.folder.open_file", refused)
    with pytest.raises(UserError, match=r"dataset\.json of the data cannot be read \(Permission"):
        load_images(str(folder))


def test_each_source_has_one_entry_however_often_it_is_edited(
    tmp_path: Path, own_cache: Path
) -> None:
    folder = write_folder(tmp_path / "a", two_classes())
    for seed in range(4):
        (folder / "dog" / "1.png").write_bytes(png(10 + seed))
        load_images(str(folder))
    kinds = sorted(path.suffix for path in (own_cache / "images").glob("[!.]*"))
    assert kinds == [".json", ".npy"]


def test_a_damaged_cache_is_built_anew(tmp_path: Path, own_cache: Path) -> None:
    folder = str(write_folder(tmp_path / "a", two_classes()))
    first = load_images(folder)
    pixel_file = own_cache / "images" / f"{first.fingerprint}.npy"
    expected = np.array(first.images)
    del first
    pixel_file.write_bytes(pixel_file.read_bytes()[:200])
    np.testing.assert_array_equal(load_images(folder).images, expected)
    (description,) = (own_cache / "images").glob("*.json")
    stored = json.loads(description.read_text())
    stored["labels"] = [1]
    description.write_text(json.dumps(stored))
    again = load_images(folder)
    np.testing.assert_array_equal(again.images, expected)
    assert again.classes == ("cat", "dog")


@pytest.mark.parametrize("call", ["store_pixels", "store"])
def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    folder = str(write_folder(tmp_path / "a", two_classes()))
    expected = load_images(folder)

    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache, call, full_disk)
    found = load_images(folder, cache_dir=tmp_path / "other")
    assert found.fingerprint == expected.fingerprint
    np.testing.assert_array_equal(found.images, expected.images)
    assert not found.images.flags.writeable
    assert "is not kept for the next run" in found.notes[-1]
    assert "No space left on device" in found.notes[-1]


def test_a_file_in_place_of_the_cache_folder_is_done_without(tmp_path: Path) -> None:
    folder = str(write_folder(tmp_path / "a", two_classes()))
    (tmp_path / "file").write_text("x")
    found = load_images(folder, cache_dir=tmp_path / "file")
    assert len(found) == 3
    assert "is not kept for the next run" in found.notes[-1]


def test_an_existing_path_wins_over_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "small_set", {"1.png": png()})
    monkeypatch.chdir(tmp_path)
    found = load_images("small_set")
    assert len(found) == 1
    assert found.source == str((tmp_path / "small_set").resolve())


@pytest.mark.parametrize("source", ["", "x" * 5000, "no/such/folder"])
def test_what_is_neither_path_nor_name_is_an_error(source: str) -> None:
    with pytest.raises(UserError, match="does not exist and is not a name"):
        load_images(source)


def test_what_no_file_can_be_called_is_an_error() -> None:
    with pytest.raises(UserError, match="has a character of number 0 in it, expected a name that"):
        load_images("a\0b")


def test_a_single_image_is_not_a_source(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png())
    with pytest.raises(
        UserError, match=r"is one image, but must be a folder of images, a zip of them, or a name"
    ):
        load_images(str(tmp_path / "1.png"))


def test_settings_are_checked_before_anything_is_read() -> None:
    with pytest.raises(UserError, match=r"data\.resolution is 49"):
        load_images("nowhere", resolution=49)
    with pytest.raises(UserError, match=r"data\.channels is 'gray'"):
        load_images("nowhere", channels="gray")  # type: ignore[arg-type]


def test_a_wrong_limit_of_the_cache_is_told_before_anything_is_decoded_and_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(write_folder(tmp_path / "a", two_classes()))
    decoded: list[int] = []

    def load() -> None:
        load_images(folder, progress=lambda done, total: decoded.append(done))

    monkeypatch.setenv("ADAVIT_CACHE_GB", "20GB")
    with pytest.raises(UserError, match="ADAVIT_CACHE_GB is '20GB', but must be a number"):
        load()
    assert not decoded
    monkeypatch.delenv("ADAVIT_CACHE_GB")
    load()
    monkeypatch.setenv("ADAVIT_CACHE_GB", "-1")
    with pytest.raises(UserError, match="ADAVIT_CACHE_GB is '-1'"):
        load()


def test_hostile_names_are_escaped_in_all_that_is_logged(tmp_path: Path) -> None:
    files = {"a\x1b[31m/1.png": png(1), "b/2.png": png(2), "b/\x1b[2J.png": b"x"}
    found = load_images(str(write_zip(tmp_path / "a.zip", files)))
    logged = [*found.notes, *(each.name for each in found.skipped)]
    assert all(text.isprintable() for text in logged)


def test_large_images_are_decoded_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "_LARGE_PIXELS", 10)
    folder = write_folder(tmp_path / "a", {f"{index}.png": png(index) for index in range(9)})
    assert len(load_images(str(folder))) == 9


def test_progress_counts_files_up_to_all(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path / "a", {f"{index:03d}.png": png(index, 4) for index in range(150)}
    )
    calls: list[tuple[int, int]] = []
    load_images(str(folder), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(64, 150), (128, 150), (150, 150)]


def test_a_large_image_below_the_limit_gives_no_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    # 90 megapixels: beyond Pillow's own warning, within ours.
    folder = write_folder(tmp_path / "a", {"1.png": encode(Image.new("1", (9000, 10_000)))})
    assert len(load_images(str(folder), resolution=4)) == 1
    assert not recwarn.list


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("my pets!", "my-pets"),
        ("..", "images"),
        ("日本", "images"),
        ("a" * 99, "a" * 60),
        ("a.b_c", "a.b_c"),
    ],
)
def test_names_are_safe_in_file_names(text: str, name: str) -> None:
    assert safe_name(text) == name


def twelve_bits(folder: Path) -> tuple[Path, np.ndarray]:
    """12 pictures whose samples of 12 bits lie in 16, and the samples [12, 8, 8]; the largest is 4095."""
    samples = np.random.default_rng(0).integers(0, 4096, (12, 8, 8)).astype(np.uint16)
    samples[3, 2, 1] = 4095
    files = {f"{index:02d}.tif": encode(each, "TIFF") for index, each in enumerate(samples)}
    return write_folder(folder, files), samples


@pytest.mark.parametrize(("scale", "white"), [("auto", 65535), ("full", 65535), ("set", 4095)])
def test_the_white_of_16_bits_is_what_was_asked_for(
    tmp_path: Path, scale: Scale16Bit, white: int
) -> None:
    folder, samples = twelve_bits(tmp_path / "cells")
    found = load_images(str(folder), reading=Reading(scale_16bit=scale))
    np.testing.assert_array_equal(found.images[:, 0], np.rint(samples * 255.0 / white))
    (note,) = [note for note in found.notes if note.startswith("16 bits")]
    assert f"12 images have more than 8 bits, samples up to 4,095; white is {white:,}" in note
    is_dark = scale != "set"
    assert ("--scale-16bit set makes 4,095 white" in note) == is_dark
    assert any("whole set is dark" in note for note in found.notes) == is_dark


def test_each_tiff_declares_its_own_white_and_full_takes_one_for_all(tmp_path: Path) -> None:
    samples = np.full((8, 8, 1), 2048)
    files = {
        "a.tif": write_tiff(samples, 1, 12),
        "b.tif": write_tiff(samples * 16, 1, 16),
    }
    folder = str(write_folder(tmp_path / "set", files))
    declared = load_images(folder)
    assert declared.images[:, 0, 0, 0].tolist() == [128, 128]  # 2048 / 4095 and 32768 / 65535
    assert "white is from 4,095 to 65,535" in " ".join(declared.notes)
    for scale in ("full", "set"):
        images = load_images(folder, reading=Reading(scale_16bit=scale)).images
        assert images[:, 0, 0, 0].tolist() == [8, 128]


@pytest.mark.parametrize(("colour_type", "bits"), [(0, 2), (0, 16), (2, 16), (4, 16), (6, 16)])
def test_exif_in_the_text_of_a_png_leaves_its_samples_as_they_are(
    tmp_path: Path, colour_type: int, bits: int
) -> None:
    most = 3 if bits == 2 else 4095
    shape = (8, 8, PNG_CHANNELS[colour_type])
    samples = np.random.default_rng(0).integers(1, most + 1, shape)
    key = (b"tRNS", samples[0, 0].astype(">u2").tobytes())
    exif = (b"tEXt", b"Raw profile type exif\0\nexif\n       8\n4d4d002a00000008\n")
    hidden = [key] if colour_type in (0, 2) else []
    found = []
    for name, before in (("without", hidden), ("with", [exif, *hidden])):
        files = {"a.png": write_png(samples, colour_type, bits, before=before)}
        folder = write_folder(tmp_path / name, files)
        found.append(load_images(str(folder), reading=Reading(scale_16bit="set")).images)
    assert found[0].shape[1] == 4  # all have transparency
    np.testing.assert_array_equal(found[1], found[0])


def test_frames_carry_the_class_and_the_name_of_their_file(tmp_path: Path) -> None:
    pages = [Image.fromarray(pixels(8, 8, seed=seed)) for seed in range(3)]
    stack = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    files = {"cat/a.png": png(1, channels=1), "dog/stack.tif": stack}
    folder = str(write_folder(tmp_path / "set", files))
    first = load_images(folder)
    assert len(first) == 2
    assert "Found 3 frames or pages in 1 file; the first of each is used." in " ".join(first.notes)
    every = load_images(folder, reading=Reading(frames="all"))
    assert every.labels is not None
    assert every.labels.tolist() == [0, 1, 1, 1]
    assert every.names == ("cat/a.png", *(f"dog/stack.tif#{number:03d}" for number in range(3)))
    np.testing.assert_array_equal(every.images[1:, 0], np.stack(pages))
    again = load_images(
        folder, reading=Reading(frames="all"), progress=lambda *_: pytest.fail("decoded again")
    )
    assert again.names == every.names


def test_frames_that_are_too_many_are_told_with_how_many_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.data.files.frames.MAXIMUM_FRAMES", 3)
    pages = [Image.fromarray(pixels(8, 8, seed=seed)) for seed in range(4)]
    stack = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    folder = str(write_folder(tmp_path / "set", {"a.tif": stack}))
    every = load_images(folder, reading=Reading(frames="all"))
    assert len(every) == 3
    note = (
        "Found 3 frames or pages in 1 file (of a file the first 3 count), each of which is an image"
    )
    assert note in " ".join(every.notes)


def test_profiles_are_counted(tmp_path: Path) -> None:
    image = pixels(8, 8, 3)
    wide = write_profile(DISPLAY_P3, 2.2, "wide")
    files = {
        "1.png": encode(image, icc_profile=wide),
        "2.jpg": encode(image, "JPEG", icc_profile=wide),
        "3.png": encode(image, icc_profile=b"garbage"),
        "4.png": encode(image),
    }
    notes = load_images(str(write_folder(tmp_path / "set", files))).notes
    assert "Colours: 2 images are converted to sRGB from wide (2)." in notes
    assert any("1 image has a colour profile that cannot be used" in note for note in notes)


def test_what_drawn_images_say_of_their_discriminator_is_kept_and_changes_nothing_else(
    tmp_path: Path,
) -> None:
    seen = (f"torchvision:resnet18 {'01' * 32}",)
    image = Image.fromarray(pixels(8, 8, 3, seed=1))
    said = {f"{number}.png": drawn_png(image, seen) for number in range(2)}
    silent = {f"{number}.png": png(1) for number in range(2)}
    plain = load_images(str(write_folder(tmp_path / "silent" / "set", silent)))
    assert plain.discriminator_saw is None
    for source in (
        write_folder(tmp_path / "said" / "set", said),
        write_zip(tmp_path / "set.zip", said),
    ):
        for _ in ("decoded", "from the cache"):
            found = load_images(str(source))
            assert found.discriminator_saw == seen
            assert found.fingerprint == plain.fingerprint
            assert found.skipped == ()
            assert found.notes[1:] == plain.notes[1:]  # the first names the place
