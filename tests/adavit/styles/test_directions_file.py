import dataclasses
from pathlib import Path

import pytest
import torch

from adavit.errors import UserError
from adavit.runs.generator_file import StoredGenerator
from adavit.runs.weights_file import read_weights, write_tensors
from adavit.styles.classes import ClassChoice
from adavit.styles.directions import Directions, find_directions
from adavit.styles.directions_file import offset_of, read_directions, save_directions
from adavit.styles.numbers import DirectionStep
from tests.stored_generators import stored_generator
from tests.telling import Told


def found_in(stored: StoredGenerator) -> Directions:
    return find_directions(stored.generator, layers=[1, 4], count=3, choice=ClassChoice())


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    stored, path = stored_generator(tmp_path), tmp_path / "d.safetensors"
    found = found_in(stored)
    save_directions(path, found)
    first = path.read_bytes()
    again = read_directions(path)
    for field in dataclasses.fields(Directions):
        ours, theirs = getattr(found, field.name), getattr(again, field.name)
        assert torch.equal(ours, theirs) if isinstance(ours, torch.Tensor) else ours == theirs
    save_directions(path, again)
    assert path.read_bytes() == first


def test_steps_add_up(tmp_path: Path) -> None:
    stored, told = stored_generator(tmp_path), Told()
    found = found_in(stored)
    for name in ("a", "b"):
        save_directions(tmp_path / name, found)
    steps = [DirectionStep(tmp_path / name, n, x) for name, n, x in (("a", 2, 1.5), ("b", 0, -1))]
    offset = offset_of(steps, stored, told)
    torch.testing.assert_close(offset, found.offset(2, 1.5) + found.offset(0, -1.0))
    assert offset_of([], stored, told) is None
    assert told.notes == []
    with pytest.raises(
        UserError, match=r"--direction asks for number 3 of .*a', but it has 0 to 2"
    ):
        offset_of([DirectionStep(tmp_path / "a", 3, 1.0)], stored, told)


def test_a_file_of_another_generator_is_told_and_of_another_size_refused(tmp_path: Path) -> None:
    stored, told, path = stored_generator(tmp_path), Told(), tmp_path / "d.safetensors"
    save_directions(path, found_in(stored))
    step = [DirectionStep(path, 0, 1.0)]
    assert offset_of(step, stored_generator(tmp_path, seed=1), told) is not None
    (warning,) = told.notes
    assert warning.startswith(f"Warning: {path} was found in another generator than ")
    for changes in ({"resolution": 8}, {"style_dim": 5}):
        with pytest.raises(UserError, match=r"are for 6 layers of 6 numbers, but generator .* has"):
            offset_of(step, stored_generator(tmp_path, **changes), told)


def test_other_files_are_refused(tmp_path: Path) -> None:
    stored, path = stored_generator(tmp_path), tmp_path / "d.safetensors"
    save_directions(path, found_in(stored))
    tensors, said = read_weights(path)
    said.pop("adavit")
    damaged = {
        "absent": None,
        "text": b"directions",
        "bits": path.read_bytes()[:-1] + b"\x01",
        "generator": stored.path.read_bytes(),
    }
    for name, content in damaged.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    odd = {
        "layers": {"layers": "[99]"},
        "many": {"style_count": str(2**52), "layers": "[true]"},
        "method": {"method": "magic"},
    }
    for name, change in odd.items():
        write_tensors(tmp_path / name, tensors, {**said, **change})
    width = tensors["vectors"].shape[1]
    others = {
        "shape": {"vectors": torch.zeros(2)},
        "none": {"vectors": torch.zeros(0, width), "strengths": torch.zeros(0)},
        "scalar": {"strengths": torch.tensor(1.0)},
        "integers": {"vectors": torch.ones(len(tensors["vectors"]), width, dtype=torch.int64)},
        "endless": {"strengths": tensors["strengths"] * float("inf")},
    }
    for name, changed in others.items():
        write_tensors(tmp_path / name, {**tensors, **changed}, said)
    for name in [*damaged, *odd, *others]:
        with pytest.raises(
            UserError, match=r"cannot be used \(.+\)\. Expected a \.safetensors file"
        ):
            read_directions(tmp_path / name)
