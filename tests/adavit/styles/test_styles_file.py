from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from adavit.errors import UserError
from adavit.runs.generator_file import StoredGenerator, read_generator, save_tuned
from adavit.runs.weights_file import tensors_content
from adavit.styles.belonging import styles_digest
from adavit.styles.styles_file import read_styles, styles_content
from tests.stored_generators import store_generator, stored_generator
from tests.telling import Told


@pytest.fixture
def stored(tmp_path: Path) -> StoredGenerator:
    return stored_generator(tmp_path)


def write(
    path: Path, of: StoredGenerator, value: float = 1.0, shape: tuple[int, ...] = (6, 6)
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(styles_content(torch.full(shape, value), of, {}))
    return path


def test_a_folder_gives_all_that_were_written_below_it(
    stored: StoredGenerator, tmp_path: Path
) -> None:
    folder = tmp_path / "projected"
    for value, name in enumerate(("b/w", "a/w", "seed7-w", "c/generator-tuned", "d/-w")):
        write(folder / f"{name}.safetensors", stored, float(value))
    (folder / "new.safetensors").write_bytes(b"of something else")
    alone = write(tmp_path / "mine.safetensors", stored, 9.0)
    told = Told()
    found = read_styles([alone, folder, folder / "b" / "w.safetensors"], stored, told)
    assert told.notes == []
    assert [each.name for each in found] == ["mine", "a", "b", "d", "seed7", "b"]
    assert [float(each.w[0, 0]) for each in found] == [9.0, 1.0, 0.0, 4.0, 2.0, 0.0]
    assert found[0].w.shape == (6, 6)


def test_styles_that_are_named_from_below_have_the_name_of_their_folder(
    stored: StoredGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "photo" / "w.safetensors", stored)
    (tmp_path / "photo" / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "photo" / "sub")
    for path in ("..", "../w.safetensors", "../sub/../w.safetensors"):
        assert [each.name for each in read_styles([Path(path)], stored, Told())] == ["photo"]


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((6,), "not a table of styles"),
        ((8, 6), r"are 8 of 6 numbers, but generator .* has 6 of 6"),
        ((6, 7), r"are 6 of 7 numbers, but generator .* has 6 of 6"),
    ],
)
def test_styles_of_other_sizes_are_refused(
    shape: tuple[int, ...], said: str, stored: StoredGenerator, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        read_styles([write(tmp_path / "w.safetensors", stored, shape=shape)], stored, Told())


def test_what_holds_no_styles_is_refused(stored: StoredGenerator, tmp_path: Path) -> None:
    damaged = write(tmp_path / "w.safetensors", stored)
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"w": torch.zeros(6, 6)}, foreign)
    (tmp_path / "empty").mkdir()
    other = store_generator(tmp_path / "other.safetensors")
    for path in (damaged, foreign, other, tmp_path / "none.safetensors"):
        with pytest.raises(UserError, match=r"cannot be used .* Expected a \.safetensors file"):
            read_styles([path], stored, Told())
    with pytest.raises(UserError, match="has no styles"):
        read_styles([tmp_path / "empty"], stored, Told())


def test_styles_of_another_generator_are_told_in_one_line(
    stored: StoredGenerator, tmp_path: Path
) -> None:
    other = stored_generator(tmp_path, seed=1)
    files = [write(tmp_path / f"{name}.safetensors", other) for name in ("a", "b")]
    files.append(write(tmp_path / "own.safetensors", stored))
    silent = tmp_path / "silent.safetensors"  # as `adavit project` once wrote them
    silent.write_bytes(tensors_content({"w": torch.ones(6, 6)}, {"generator": "generator.best"}))
    told = Told()
    assert len(read_styles([*files, silent], stored, told)) == 4
    assert told.notes == [
        "Warning: 2 files of styles were found in another generator than"
        f" {stored.path}, where they may draw something else: a, b."
    ]


def test_a_generator_that_was_tuned_draws_styles_of_the_one_before_without_a_word(
    stored: StoredGenerator, tmp_path: Path
) -> None:
    of = write(tmp_path / "w.safetensors", stored)
    tuned = stored_generator(tmp_path, seed=1).generator
    path, told = tmp_path / "generator-tuned.safetensors", Told()
    save_tuned(path, tuned, stored=stored, tuned_from=styles_digest(stored.generator), tuned_to="")
    read_styles([of], read_generator(path), told)
    assert told.notes == []


def test_numbers_that_float32_does_not_hold_are_told_as_the_fault_of_their_file(
    stored: StoredGenerator, tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    w = torch.full((6, 6), 1e300, dtype=torch.float64)
    path.write_bytes(tensors_content({"w": w}, {}))
    with pytest.raises(UserError, match=r"its w has numbers beyond those of float32\). Expected"):
        read_styles([path], stored, Told())
