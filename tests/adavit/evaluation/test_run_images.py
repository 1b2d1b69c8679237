import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from adavit.data import load_images, split_images
from adavit.data.files.fit import FitName
from adavit.data.reading import Reading
from adavit.errors import UserError
from adavit.evaluation.run_images import (
    RunImages,
    images_like,
    images_of_run,
    load_reference,
    of_other_data,
    reading_of,
    resize_of,
    split_name,
    split_of,
)
from adavit.evaluation.sources import GeneratorSource, open_source
from adavit.runs.metadata import UNKNOWN
from adavit.runtime.resolution import Resolution
from tests.adavit.evaluation.runs import SIDE, as_imported, make_run


def opened(run: Path) -> GeneratorSource:
    found = open_source(str(run), "SOURCE")
    assert isinstance(found, GeneratorSource)
    return found


def images_of(run: Path, data: str | None = None, **changes: Any) -> RunImages:
    source = opened(run)
    arguments: dict[str, Any] = {
        "name": source.name,
        "config": source.config,
        "generator": source.stored.generator,
        "fingerprint": source.stored.data_fingerprint,
        "data_root": None,
        "activity": lambda *_: None,
    }
    return images_of_run(data=data, **{**arguments, **changes})


def test_the_images_of_a_run_are_parted_as_in_its_training(run: Path, pictures: Path) -> None:
    images = load_images(str(pictures), resolution=SIDE, channels="rgb")
    found = images_of(run)
    np.testing.assert_array_equal(found.everything.images, images.images)
    expected = split_images(40, subset=20, heldout_fraction=None, seed=0)
    np.testing.assert_array_equal(found.train, expected.train)
    assert len(found.unseen) == 20
    assert sorted([*found.train, *found.unseen]) == list(range(40))


def test_the_heldout_part_is_unseen_too(pictures: Path) -> None:
    run = make_run(Path("parted"), pictures, subset=20, val_fraction=0.2)
    found = images_of(run)
    assert found.split is not None
    assert len(found.split.heldout) > 0
    assert not set(found.split.heldout) & set(found.train)
    assert set(found.split.heldout) <= set(found.unseen)
    again = split_of(opened(run).config, found.everything)
    np.testing.assert_array_equal(again.heldout, found.split.heldout)


def test_other_images_in_place_of_the_runs_are_all_unseen(run: Path, others: Path) -> None:
    found = images_of(run, str(others))
    assert found.split is None
    assert len(found.train) == 0
    assert found.unseen.tolist() == list(range(25))


def test_data_that_moved_are_known_by_their_content(run: Path, pictures: Path) -> None:
    pictures.rename("elsewhere")
    assert len(images_of(run, "elsewhere").train) == 20


def test_data_that_changed_are_an_error_that_says_what_to_do(run: Path, pictures: Path) -> None:
    next((pictures / "dark").iterdir()).unlink()
    with pytest.raises(UserError, match=r"'run' was trained on: .* differs\. Restore .* --data\."):
        images_of(run)


def test_of_an_imported_generator_nobody_knows_what_it_was_trained_on(
    run: Path, pictures: Path
) -> None:
    imported = as_imported(run)
    with pytest.raises(
        UserError, match=r"'run' was imported, so nobody knows .* with --data\."
    ) as e:
        images_of(imported)
    assert "Restore" not in str(e.value)
    assert len(images_of(imported, str(pictures)).unseen) == 40


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("cifar10", "train"),
        ("cifar10:test", "test"),
        ("small_set", "all"),
        ("pictures", "all"),
        ("C:/train", "all"),
    ],
)
def test_the_part_of_a_set_is_read_from_its_name(pictures: Path, source: str, part: str) -> None:
    images = load_images(str(pictures))
    assert split_name(replace(images, source=source)) == part


def test_errors_of_loading_name_what_the_user_gave(pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my data.source set"
    folder.mkdir()
    for source, message in (
        ("nowhere", "--metric-data 'nowhere' does not exist and"),
        (str(folder), f"--metric-data '{folder}' has no image"),
    ):
        with pytest.raises(UserError, match=f"^{re.escape(message)}"):
            load_reference(source, "--metric-data")
    np.testing.assert_array_equal(
        load_reference(str(pictures), "--data").images, load_images(str(pictures)).images
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_come_in_the_size_and_channels_that_a_generator_draws(
    run: Path, others: Path, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = opened(run).stored.generator
    monkeypatch.setattr(generator, "image_channels", channels)
    monkeypatch.setattr(generator, "resolution", Resolution(8, 12))
    told: list[tuple[str, int, int]] = []
    found = images_like(
        generator,
        str(others),
        "--data",
        data_root=None,
        activity=lambda *told_of: told.append(told_of),
        reading=Reading(),
    )
    assert found.images.shape == (25, channels, 8, 12)
    assert told[-1] == ("decoding", 25, 25)


def test_the_files_of_a_run_are_read_as_they_were_for_its_training(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 4096, (40, SIDE, SIDE)).astype(np.uint16)
    pages = [Image.fromarray(each) for each in levels]
    folder = tmp_path / "pages"
    folder.mkdir()
    pages[0].save(folder / "stack.tif", save_all=True, append_images=pages[1:])
    run = make_run(Path("run"), folder, frames="all", scale_16bit="set")
    reading = reading_of(opened(run).config)
    assert reading == Reading(frames="all", scale_16bit="set")
    trained = load_images(str(folder), resolution=SIDE, channels="rgb", reading=reading)
    found = images_of(run, fingerprint=trained.fingerprint)
    np.testing.assert_array_equal(found.everything.images, trained.images)
    assert len(found.train) == 40
    assert trained.images.max() > 250


def test_the_record_says_how_files_came_to_their_shape() -> None:
    square, oblong = Resolution(8, 8), Resolution(8, 12)
    assert resize_of(square) == "centre square, Lanczos"
    told = [resize_of(shape, fit) for shape in (square, oblong) for fit in get_args(FitName)]
    assert told[3:] == ["centre part, Lanczos", "padded, Lanczos", "stretched, Lanczos"]
    assert told[1:3] == told[4:]


def test_of_an_imported_network_nobody_knows_whether_other_data_are_its_own() -> None:
    assert of_other_data("a b", "the run", "0123") == "'a b' is not what the run was trained on"
    assert of_other_data("a b", "the run", UNKNOWN) == (
        "The run was imported, so nobody knows whether it was trained on 'a b'"
    )
