import json
import shutil
from pathlib import Path

import pytest
from torch import nn

from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runs.ending_note import note_pruned
from adavit.runs.generations import checkpoint_of
from adavit.runs.lost_checkpoints import check_none_lost, has_trained
from adavit.runs.weights_file import write_weights


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    folder = tmp_path / "my run"
    folder.mkdir()
    (folder / "config.yaml").write_text("run: {seed: 0}")
    return RunDirectory(folder)


def write(path: Path, images: int) -> None:
    """What a run leaves at a moment: a line of a log, or a generator."""
    if path.suffix == ".jsonl":
        path.write_text(json.dumps({"images": images, "fid": 3.0}) + "\n")
    else:
        write_weights(path, nn.Linear(1, 1), {"images": str(images)})


LEFT = [
    "stats.jsonl",
    "metrics.jsonl",
    "generator-best.safetensors",
    "generator-last.safetensors",
    "generator-000001.safetensors",
]


@pytest.mark.parametrize("name", LEFT)
def test_each_thing_that_a_run_leaves_says_that_it_has_trained(
    directory: RunDirectory, name: str
) -> None:
    write(directory.path / name, 8)
    assert has_trained(directory)
    with pytest.raises(UserError, match="has no checkpoint any more, though it has trained"):
        check_none_lost(directory)
    with pytest.raises(UserError, match="has no checkpoint any more, though it has trained"):
        checkpoint_of(directory.path)


@pytest.mark.parametrize("name", LEFT)
def test_what_there_is_before_the_first_step_says_nothing(
    directory: RunDirectory, name: str
) -> None:
    assert not has_trained(directory)
    write(directory.path / name, 0)
    assert not has_trained(directory)
    check_none_lost(directory)


def test_a_generator_that_cannot_be_read_is_not_taken_for_an_untrained_one(
    directory: RunDirectory,
) -> None:
    directory.best_generator.write_bytes(b"damaged")
    assert has_trained(directory)


def test_its_best_generator_is_named_in_words_of_a_shell(directory: RunDirectory) -> None:
    note_pruned(directory)
    with pytest.raises(UserError, match=r"prune has removed them.*Take another run\.$"):
        check_none_lost(directory)
    write(directory.last_generator, 8)
    with pytest.raises(UserError, match=r"--transfer '.*/my run/generator-last.safetensors'\.$"):
        check_none_lost(directory)
    shutil.copy(directory.last_generator, directory.best_generator)
    with pytest.raises(UserError, match=r"--transfer '.*/my run/generator-best.safetensors'\.$"):
        check_none_lost(directory)
