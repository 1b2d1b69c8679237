import json
from pathlib import Path
from typing import Any

import pytest

from adavit.errors import UserError
from adavit.evaluation.compared_figures import figures_of, remark_on
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.runs.generator_file import read_generator
from tests.stored_generators import store_generator


def record(value: float, generator: str | None = None, **protocol: Any) -> dict[str, Any]:
    source = {} if generator is None else {"source": {"generator": generator}}
    return {"fid": value, "protocol": {"n_fake": 100, **protocol}, **source}


def make_run(path: Path, log: str, *records: dict[str, Any]) -> str:
    path.mkdir()
    (path / "config.yaml").write_text("")
    (path / log).write_text("".join(json.dumps(each) + "\n" for each in records))
    return str(path)


def test_each_generator_of_a_run_has_its_latest_figure_under_each_protocol(tmp_path: Path) -> None:
    best, last = "generator-best.safetensors", "generator-last.safetensors"
    records = [record(9.0, best), record(8.0, last), record(7.0, best), record(6.0, last, n_fake=9)]
    found = list(figures_of(make_run(tmp_path / "run", "evaluations.jsonl", *records)))
    assert [(f.value, f.generator, f.protocol["n_fake"]) for f in found] == [
        (7.0, "best", 100),
        (8.0, "last", 100),
        (6.0, "last", 9),
    ]


@pytest.mark.parametrize(
    ("source", "generator"),
    [
        (record(5.0, "generator-last.safetensors"), "last"),
        (record(5.0, "cats.safetensors"), ""),
        (record(5.0), ""),
        (record(5.0) | {"source": "odd"}, ""),
        (record(5.0) | {"source": {"generator": ["odd"]}}, ""),
    ],
)
def test_a_file_says_of_which_generator_its_figures_are_if_it_is_one_of_a_run(
    tmp_path: Path, source: dict[str, Any], generator: str
) -> None:
    (tmp_path / "record.json").write_text(json.dumps(source))
    assert [figure.generator for figure in figures_of(str(tmp_path / "record.json"))] == [generator]


def test_figures_beside_others_are_of_the_same_generator(tmp_path: Path) -> None:
    whole = record(5.0, "generator-last.safetensors") | {"beside": [record(4.0, n_fake=9)]}
    (tmp_path / "record.json").write_text(json.dumps(whole))
    found = figures_of(str(tmp_path / "record.json"))
    assert [(figure.value, figure.generator) for figure in found] == [(5.0, "last"), (4.0, "last")]


def test_evaluations_of_generators_that_the_run_has_no_longer_do_not_count(tmp_path: Path) -> None:
    best = "generator-best.safetensors"
    lines = [record(value) | {"images": images} for images, value in ((20_000, 30), (200_000, 8))]
    run = Path(make_run(tmp_path / "run", "metrics.jsonl", *lines))
    then = read_generator(store_generator(run / best, seed=0, images=20_000))
    earlier = record(30.0, best) | {"images": 20_000}
    earlier["source"]["fingerprint"] = tensors_digest(then.generator.state_dict())
    (run / "evaluations.jsonl").write_text(json.dumps(earlier) + "\n")
    assert [figure.value for figure in figures_of(str(run))] == [30.0]
    assert remark_on(str(run)) == ""

    store_generator(run / best, seed=1, images=200_000)
    (figure,) = figures_of(str(run))
    assert (figure.value, figure.generator) == (8.0, "best")
    assert f"adavit evaluate {run} --which best" in remark_on(str(run))
    (run / "metrics.jsonl").unlink()
    with pytest.raises(
        UserError, match=r"has no record of a metric of the generators that it has now"
    ):
        list(figures_of(str(run)))


def test_a_run_that_was_never_evaluated_has_the_figure_of_its_best_generator(
    tmp_path: Path,
) -> None:
    lines = [record(value) | {"images": 8} for value in (9.0, 7.0, 8.0)]
    (figure,) = figures_of(make_run(tmp_path / "run", "metrics.jsonl", *lines))
    assert (figure.value, figure.generator) == (7.0, "best")
    with pytest.raises(UserError, match=r"empty' has no record of a metric"):
        list(figures_of(make_run(tmp_path / "empty", "metrics.jsonl")))
