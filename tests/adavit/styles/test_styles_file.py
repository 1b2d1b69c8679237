from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from adavit.errors import UserError
from adavit.runs.generator_file import StoredGenerator
from adavit.styles.styles_file import read_styles, styles_content
from tests.stored_generators import store_generator, stored_generator


@pytest.fixture
def stored(tmp_path: Path) -> StoredGenerator:
    return stored_generator(tmp_path)


def write(path: Path, value: float = 1.0, shape: tuple[int, ...] = (6, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(styles_content(torch.full(shape, value), {}))
    return path


def test_a_folder_gives_all_that_were_written_below_it(
    stored: StoredGenerator, tmp_path: Path
) -> None:
    folder = tmp_path / "projected"
    for value, name in enumerate(("b/w", "a/w", "seed7-w", "c/generator-tuned")):
        write(folder / f"{name}.safetensors", float(value))
    alone = write(tmp_path / "mine.safetensors", 9.0)
    found = read_styles([alone, folder, folder / "b" / "w.safetensors"], stored)
    assert [each.name for each in found] == ["mine", "a", "b", "seed7", "b"]
    assert [float(each.w[0, 0]) for each in found] == [9.0, 1.0, 0.0, 2.0, 0.0]
    assert found[0].w.shape == (6, 6)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((6,), "no table of styles"),
        ((8, 6), r"are 8 of 6 numbers, but generator .* has 6 of 6"),
        ((6, 7), r"are 6 of 7 numbers, but generator .* has 6 of 6"),
    ],
)
def test_styles_of_other_sizes_are_refused(
    shape: tuple[int, ...], said: str, stored: StoredGenerator, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        read_styles([write(tmp_path / "w.safetensors", shape=shape)], stored)


def test_what_holds_no_styles_is_refused(stored: StoredGenerator, tmp_path: Path) -> None:
    damaged = write(tmp_path / "w.safetensors")
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"w": torch.zeros(6, 6)}, foreign)
    (tmp_path / "empty").mkdir()
    other = store_generator(tmp_path / "other.safetensors")
    for path in (damaged, foreign, other, tmp_path / "none.safetensors"):
        with pytest.raises(UserError, match=r"cannot be used .* Expected a \.safetensors file"):
            read_styles([path], stored)
    with pytest.raises(UserError, match="has no styles"):
        read_styles([tmp_path / "empty"], stored)
