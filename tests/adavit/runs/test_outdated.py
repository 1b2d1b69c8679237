from pathlib import Path
from typing import Any

import pytest

from adavit.runs.directory import RunDirectory
from adavit.runs.outdated import present_diagnosis, present_evaluations, which_generator
from adavit.runs.reading import TENSORS, read_weights_metadata
from tests.stored_generators import store_generator

BEST, LAST = "generator-best.safetensors", "generator-last.safetensors"
OTHER = "ab" * 32


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run with a best generator and a last one."""
    for seed, name in enumerate((BEST, LAST)):
        store_generator(tmp_path / name, seed=seed)
    return RunDirectory(tmp_path)


def digest_of(file: Path) -> str:
    return read_weights_metadata(file)[TENSORS]


def evaluation(generator: Any, digest: Any) -> dict[str, Any]:
    return {"source": {"generator": generator, "fingerprint": digest}}


@pytest.mark.parametrize(
    ("name", "which"), [(BEST, "best"), (LAST, "last"), ("cats.safetensors", ""), (["x"], "")]
)
def test_generators_are_known_by_the_names_of_their_files(name: Any, which: str) -> None:
    assert which_generator(name) == which


def test_evaluations_are_parted_by_what_the_files_hold_now(run: RunDirectory) -> None:
    present = evaluation(BEST, digest_of(run.best_generator))
    # The present best one was evaluated since; of the last one there is nothing.
    records = [evaluation(BEST, OTHER), present, *[evaluation(LAST, OTHER)] * 2]
    assert present_evaluations(run, records) == (
        [present],
        [f"adavit evaluate {run.path} --which last"],
    )


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"source": "odd"},
        evaluation(BEST, None),
        evaluation(None, OTHER),
        evaluation("../x", OTHER),
    ],
)
def test_what_does_not_say_what_it_is_of_is_kept(run: RunDirectory, record: dict[str, Any]) -> None:
    assert present_evaluations(run, [record]) == ([record], [])


def test_where_the_file_is_gone_nothing_says_that_a_finding_is_of_another(
    run: RunDirectory,
) -> None:
    run.best_generator.unlink()
    record = evaluation(BEST, OTHER)
    assert present_evaluations(run, [record]) == ([record], [])


def test_diagnoses_are_of_the_generator_that_they_name(run: RunDirectory) -> None:
    record = {"protocol": {"generator": LAST, "generator_digest": digest_of(run.last_generator)}}
    assert present_diagnosis(run, record, "leaks") == (record, [])
    assert present_diagnosis(run, {}, "leaks") == ({}, [])
    store_generator(run.last_generator, seed=2)
    assert present_diagnosis(run, record, "leaks") == (
        {},
        [f"adavit leaks {run.path} --which last"],
    )
