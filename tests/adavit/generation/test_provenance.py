"""Its words are tested where they are said, in test_generate.py; here what it must not refuse."""

import dataclasses
from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.generation.provenance import before_training, described, refuse_inside_data
from adavit.runtime.files import mark_results
from tests.stored_generators import stored_generator


def test_a_file_is_named_with_its_training(tmp_path: Path) -> None:
    stored = stored_generator(tmp_path, images=2500)
    assert described(stored) == f"{tmp_path / 'generator.safetensors'}, of 2.5 kimg"
    assert before_training(stored) == ""


@pytest.mark.parametrize(
    ("training", "what"),
    [
        ({"transfer": None}, "untrained"),
        ({"transfer": "cats"}, "what its run started from (--transfer cats)"),
    ],
)
def test_one_that_no_step_was_taken_with_is_told_for_what_it_is(
    tmp_path: Path, training: dict[str, str | None], what: str
) -> None:
    stored = stored_generator(tmp_path, images=0, config={"training": training})
    assert before_training(stored) == (
        f"Warning: this generator is {what}; train longer for a better one."
    )
    assert before_training(dataclasses.replace(stored, images=8)) == ""


def test_only_folders_inside_the_data_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    stored = dataclasses.replace(
        stored_generator(tmp_path), config={"data": {"source": str(tmp_path / "photos")}}
    )
    refuse_inside_data(tmp_path / "photos2", stored)
    refuse_inside_data(tmp_path, stored)
    with pytest.raises(UserError, match="lies in the data"):
        refuse_inside_data(tmp_path / "photos" / "a", stored)
    with pytest.raises(UserError, match="lies in the data"):
        refuse_inside_data(tmp_path / "photos", stored)
    # Nothing below a run is read as data, wherever it lies.
    (tmp_path / "photos" / "runs" / "r").mkdir(parents=True)
    mark_results(tmp_path / "photos" / "runs" / "r")
    refuse_inside_data(tmp_path / "photos" / "runs" / "r" / "projections", stored)
    with pytest.raises(UserError, match="lies in the data"):
        refuse_inside_data(tmp_path / "photos" / "runs" / "drawn", stored)


@pytest.mark.parametrize(
    "data",
    [None, [1], {}, {"source": None}, {"source": ["a"]}, {"source": 300 * "a"}, {"source": "a\0b"}],
)
def test_settings_that_name_no_folder_refuse_nothing(tmp_path: Path, data: object) -> None:
    stored = dataclasses.replace(stored_generator(tmp_path), config={"data": data})
    refuse_inside_data(tmp_path, stored)


def test_a_folder_that_is_hidden_from_the_user_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    stored = stored_generator(tmp_path, config={"data": {"source": "/private/photos"}})
    monkeypatch.setattr(Path, "is_dir", refuse)
    refuse_inside_data(tmp_path / "drawn", stored)
