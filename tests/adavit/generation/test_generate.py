"""`generate`: which seeds, which class, which files."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.data import load_images
from adavit.errors import UserError
from adavit.exploring.directions import directions
from adavit.generation.generate import generate
from adavit.generation.grid_layout import GridLayout
from adavit.generation.sampling import drawn_bytes, image_from_tensor, images_of_seeds
from adavit.runs.generator_file import read_generator, save_generator
from adavit.runtime.drawn_images import what_its_discriminator_saw
from adavit.styles.classes import ClassChoice, find_class
from adavit.styles.numbers import DirectionStep
from adavit.styles.styles_file import styles_content
from tests.networks import GENERATOR, make_generator
from tests.stored_generators import store_generator
from tests.telling import Told

ARGUMENTS = {
    **GENERATOR,
    "resolution": 8,
    "num_classes": 2,
    "latent_dim": 4,
    "style_dim": 4,
    "channel_base": 32,
    "channel_max": 4,
}


@pytest.fixture
def stored(tmp_path: Path) -> str:
    torch.manual_seed(0)
    path = tmp_path / "generator.safetensors"
    store(path, images=0)
    return str(path)


def store(path: Path, *, images: int) -> None:
    path.parent.mkdir(exist_ok=True)
    save_generator(
        path,
        make_generator(**ARGUMENTS).eval(),
        arguments=ARGUMENTS,
        config={"data": {"source": str(path.parent / "photos")}},
        data_fingerprint="unknown",
        images=images,
        metric=None,
        classes=("cat", "dog"),
        label_counts=[3, 1],
    )


def test_a_class_has_a_name_or_a_number(stored: str) -> None:
    opened = read_generator(stored)
    assert [find_class(opened, name) for name in ("cat", "dog", "0", "1")] == [0, 1, 0, 1]
    for name in ("cow", "2", "-1", "²", "9" * 5000):
        with pytest.raises(UserError, match=r"expected one of: cat, dog, or a number below 2"):
            find_class(opened, name)


def test_a_class_without_a_training_image_is_not_drawn(stored: str) -> None:
    opened = dataclasses.replace(read_generator(stored), label_counts=[4, 0])
    assert find_class(opened, "cat") == 0
    for name in ("dog", "1"):
        with pytest.raises(UserError, match=r"no image of it .* expected one of: cat\. Name"):
            find_class(opened, name)


def test_labels_are_refused_where_none_is_drawn(stored: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--labels is 'even', but --class names the one class"):
        generate(stored, [1], tmp_path / "out", class_name="cat", labels="even")
    arguments = {**ARGUMENTS, "num_classes": 0}
    plain = tmp_path / "plain.safetensors"
    save_generator(
        plain,
        make_generator(**arguments).eval(),
        arguments=arguments,
        config={},
        data_fingerprint="unknown",
        images=0,
        metric=None,
        classes=(),
        label_counts=None,
    )
    with pytest.raises(UserError, match="--labels is 'even', but its generator has no classes"):
        generate(plain, [1], tmp_path / "out", labels="even")


def test_files_hold_the_images_of_their_seeds(stored: str, tmp_path: Path) -> None:
    written = generate(stored, [5, 12], tmp_path / "out", class_name="dog", grid=GridLayout())
    assert [path.name for path in written] == ["seed0005.png", "seed0012.png", "grid.png"]
    drawn = images_of_seeds(read_generator(stored).generator, [5, 12], choice=ClassChoice(index=1))
    for path, (image, _) in zip(written, drawn, strict=False):
        np.testing.assert_array_equal(np.array(Image.open(path)), image.permute(1, 2, 0).numpy())
    assert [path.name for path in generate(stored, [5], tmp_path / "more")] == ["seed0005.png"]


def test_a_seed_that_is_named_twice_is_one_image(stored: str, tmp_path: Path) -> None:
    told, out = Told(), tmp_path / "out"
    layout = GridLayout.parse("2x1", scale=1, captions=False)
    once = generate(stored, [1, 2], tmp_path / "once", class_name="cat", grid=layout)
    written = generate(stored, [1, 2, 1, 1], out, class_name="cat", grid=layout, console=told)
    assert [path.name for path in written] == ["seed0001.png", "seed0002.png", "grid.png"]
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in once]
    assert any("Wrote 2 images and grid.png" in line for line in told.results)


def test_the_grid_is_no_sample_and_goes_when_it_is_out_of_date(stored: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    generate(stored, [1, 2, 3], out, class_name="cat", grid=GridLayout())
    found = load_images(str(out), cache_dir=tmp_path / "cache")
    assert len(found) == 3
    assert [each.name for each in found.skipped] == ["grid.png"]
    assert "picture of results" in found.skipped[0].reason
    generate(stored, [4], out, class_name="cat")
    assert not (out / "grid.png").exists()


def test_a_grid_of_the_users_own_is_left_alone(stored: str, tmp_path: Path) -> None:
    own = tmp_path / "out" / "grid.png"
    own.parent.mkdir()
    Image.new("RGB", (4, 4)).save(own)
    before = own.read_bytes()
    generate(stored, [4], tmp_path / "out", class_name="cat")
    assert own.read_bytes() == before


def test_a_grid_that_takes_the_place_of_a_users_own_is_told_to(stored: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    Image.new("RGB", (4, 4)).save(out / "grid.png")
    told = Told()
    for _ in range(2):  # the second time it is a picture of ours
        generate(stored, [4], out, class_name="cat", grid=GridLayout(), console=told)
    lay_there = [line for line in told.notes if "replaced" in line or "stay" in line]
    assert lay_there == [f"In {out} 1 image was replaced."]


@pytest.mark.parametrize("inside", ["", "fakes", "a/../b/c"])
def test_generated_images_are_not_put_among_the_real_ones(
    stored: str, tmp_path: Path, inside: str
) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match=r"lies in the data .* Choose a folder outside"):
        generate(stored, [0], tmp_path / "photos" / inside)
    assert list((tmp_path / "photos").iterdir()) == []
    generate(stored, [0], tmp_path / "photos2")


def test_classes_are_drawn_in_the_shares_of_the_training_images_or_evenly(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        "adavit.generation.generate.images_of_seeds",
        lambda *_, choice, **__: asked.append(choice.weights) or [(torch.zeros(3, 8, 8).byte(), 0)],
    )
    generate(stored, [1], tmp_path / "a")
    generate(stored, [1], tmp_path / "b", labels="even")
    assert asked == [[3.0, 1.0], [1.0, 1.0]]


def test_a_class_is_found_however_its_letters_are_written(stored: str) -> None:
    opened = dataclasses.replace(read_generator(stored), classes=("caf\u00e9", "th\u0065\u0301"))
    assert find_class(opened, "cafe\u0301") == 0
    assert find_class(opened, "th\u00e9") == 1


@pytest.mark.parametrize("which", ["best", "last"])
def test_it_is_said_which_generator_drew_and_what_lay_in_the_folder(
    which: str, stored: str, tmp_path: Path
) -> None:
    run, out, told = tmp_path / "run", tmp_path / "out", Told()
    for name, images in (("best", 0), ("last", 2500)):
        store(run / f"generator-{name}.safetensors", images=images)
    (run / "config.yaml").write_text("run: {}\n")
    generate(stored, [1, 2, 9], out, class_name="cat", grid=GridLayout(), console=told)
    source = str(tmp_path / "generator.safetensors")
    assert told.results == [f"Wrote 3 images and grid.png to {out}: {source}, of 0 kimg."]
    assert told.notes == ["Warning: this generator is untrained; train longer for a better one."]

    told = Told()
    generate(str(run), [1, 2], out, class_name="dog", which=which, console=told)
    kimg = {"best": "0", "last": "2.5"}[which]
    assert told.results == [
        f"Wrote 2 images to {out}: the {which} generator of the run, of {kimg} kimg."
    ]
    assert told.notes[:2] == [
        f"In {out} 2 images were replaced and 1 other image stays.",
        f"Removed {out / 'grid.png'}, which showed images of an earlier call.",
    ]
    warned = [note for note in told.notes if note.startswith("Warning")]
    assert len(warned) == (which == "best")
    assert all(
        line.endswith(f"That of {run} with --which last is the last one.") for line in warned
    )


def test_styles_are_drawn_after_the_seeds_under_their_names(stored: str, tmp_path: Path) -> None:
    read = read_generator(stored)
    generator = read.generator
    w = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    for folder in ("a/photo", "b/photo"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "w.safetensors").write_bytes(styles_content(w, read, {}))
    written = generate(
        stored,
        [3],
        tmp_path / "out",
        styles=[tmp_path / "a", tmp_path / "b"],
        truncation=0.5,
        grid=GridLayout(),
    )
    names = ["seed0003.png", "photo.png", "photo-2.png", "grid.png"]
    assert [path.name for path in written] == names
    average = generator.w_average
    drawn = generator.synthesis(torch.lerp(average, w, 0.5)[None])
    expected = image_from_tensor(drawn_bytes(drawn)[0])
    for path in written[1:3]:
        np.testing.assert_array_equal(np.array(Image.open(path)), np.array(expected))


def test_styles_of_another_generator_are_drawn_with_a_warning(stored: str, tmp_path: Path) -> None:
    store(tmp_path / "other.safetensors", images=0)
    other, told = read_generator(tmp_path / "other.safetensors"), Told()
    (tmp_path / "w.safetensors").write_bytes(styles_content(torch.zeros(4, 4), other, {}))
    generate(stored, [], tmp_path / "out", styles=[tmp_path / "w.safetensors"], console=told)
    assert [note for note in told.notes if "was found in another generator than" in note]


def test_something_to_draw_is_expected(stored: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither --seeds nor --styles is given"):
        generate(stored, [], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_seeds_are_of_any_kind_of_numbers_or_none(stored: str, tmp_path: Path) -> None:
    read, kinds = read_generator(stored), (range(2, 4), np.arange(2, 4), torch.arange(2, 4))
    for number, seeds in enumerate(kinds):
        written = generate(stored, seeds, tmp_path / str(number))
        assert [path.name for path in written] == ["seed0002.png", "seed0003.png"]
    file = tmp_path / "mine-w.safetensors"
    file.write_bytes(styles_content(torch.zeros(4, 4), read, {}))
    for styles in (file, str(file), [file]):
        (path,) = generate(stored, None, tmp_path / "styled", styles=styles)
        assert path.name == "mine.png"


def test_a_class_is_named_by_its_number_too(stored: str, tmp_path: Path) -> None:
    (by_name,) = generate(stored, [1], tmp_path / "a", class_name="dog")
    (by_number,) = generate(stored, [1], tmp_path / "b", class_name=1)
    assert by_name.read_bytes() == by_number.read_bytes()


def test_a_grid_of_columns_and_rows_and_steps_in_words(stored: str, tmp_path: Path) -> None:
    directions(stored, tmp_path / "found", count=1)
    file = tmp_path / "found" / "directions.safetensors"
    drawn = []
    for folder, grid, step in (
        ("a", (3, 2), f"{file}:0=1.5"),
        ("b", GridLayout(3, 2), DirectionStep(file, 0, 1.5)),
    ):
        generate(stored, range(6), tmp_path / folder, grid=grid, steps=[step])
        drawn.append((tmp_path / folder / "grid.png").read_bytes())
    assert drawn[0] == drawn[1]


def test_a_grid_that_is_too_large_is_refused_before_anything_is_drawn(
    stored: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"100 x 100 images, .* megapixels, expected at most 100"):
        generate(stored, range(10_000), tmp_path / "out", grid=GridLayout(scale=16))
    assert not (tmp_path / "out").exists()


def test_columns_that_no_image_is_for_make_no_picture_too_large(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.generation.grid.LARGEST", 2000)
    generate(stored, [0, 1], tmp_path / "out", grid=GridLayout(100, 1, scale=1))
    with Image.open(tmp_path / "out" / "grid.png") as drawn:
        assert drawn.size == (2 * 10 + 2, 10 + 2)


def test_the_grid_of_images_that_get_their_shape_back_is_measured_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = store_generator(tmp_path / "a.safetensors", resolution=16, stretch=4.0)
    monkeypatch.setattr("adavit.generation.grid.LARGEST", 2000)
    grid, seeds = GridLayout(scale=1), [0, 1, 2]
    generate(file, seeds, tmp_path / "drawn", grid=grid)
    with pytest.raises(UserError, match="megapixels, expected at most"):
        generate(file, seeds, tmp_path / "out", unstretch=True, grid=grid)
    assert not (tmp_path / "out").exists()


def test_how_far_it_is_is_told(stored: str, tmp_path: Path) -> None:
    told = Told()
    generate(stored, [4, 5], tmp_path / "out", console=told)
    assert told.activities == {"image": (2, 2)}


def test_images_of_a_stretched_set_get_their_shape_back(tmp_path: Path) -> None:
    file = store_generator(tmp_path / "a.safetensors", resolution="24x40", stretch=1.5)
    drawn, stretched = (
        generate(file, [0, 1], tmp_path / str(flag), unstretch=flag, grid=GridLayout(2))
        for flag in (False, True)
    )
    assert [Image.open(path).size for path in drawn[:2]] == [(40, 24)] * 2
    assert [Image.open(path).size for path in stretched[:2]] == [(60, 24)] * 2
    assert Image.open(stretched[2]).size == (2 * 62 + 2, 26 + 2)


def test_no_image_takes_the_place_of_another(stored: str, tmp_path: Path) -> None:
    paths = []
    for number, name in enumerate(("a/photo", "b/photo", "c/photo-2", "d/seed0003", "e/Grid")):
        paths.append(tmp_path / name)
        paths[-1].mkdir(parents=True)
        content = styles_content(torch.full((4, 4), float(number)), read_generator(stored), {})
        (paths[-1] / "w.safetensors").write_bytes(content)
    written = generate(stored, [3], tmp_path / "out", styles=paths, grid=GridLayout())
    names = ["seed0003", "photo", "photo-2", "photo-2-2", "seed0003-2", "Grid-2", "grid"]
    assert [path.stem for path in written] == names


@pytest.mark.parametrize("seen", [[], [f"torchvision:resnet18 {'01' * 32}"]])
def test_images_say_what_the_discriminator_of_their_generator_saw(
    seen: list[str], tmp_path: Path
) -> None:
    source = store_generator(tmp_path / "g.safetensors", config={"features": {"seen": seen}})
    (path,) = generate(source, [3], tmp_path / "out")
    assert what_its_discriminator_saw(Image.open(path)) == tuple(seen)
