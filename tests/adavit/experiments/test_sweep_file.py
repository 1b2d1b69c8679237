from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from adavit.config.layers import build_config
from adavit.errors import UserError
from adavit.experiments.sweep import sweep
from adavit.experiments.sweep_file import read_sweep, sweep_names


@pytest.mark.parametrize("name", sweep_names())
def test_shipped_sweeps_are_valid(name: str) -> None:
    given = read_sweep(name)
    assert given.name == name
    build_config([given.base])
    copy = Path("copy.yaml")
    copy.write_text(given.as_yaml(), encoding="utf-8")
    assert read_sweep(str(copy)) == given


def test_what_is_searched_for_cannot_be_set(write_sweep: Any) -> None:
    with pytest.raises(UserError, match="sweep 'tiny' searches for it"):
        sweep(write_sweep(), layers=[{"training": {"r1_gamma": 1}}])


@pytest.mark.parametrize(
    ("key", "remedy"),
    [("budget", r"Give training\.total_kimg"), ("out", "Give --out")],
)
def test_what_only_a_run_by_itself_has_is_refused_wherever_it_is_given(
    write_sweep: Any, key: str, remedy: str
) -> None:
    section = {"run": {key: "2h"}}
    with pytest.raises(
        UserError, match=rf"^search\.run\.{key} is \['2h'\], expected none, .*{remedy}"
    ):
        read_sweep(write_sweep(search={f"run.{key}": ["2h"]}))
    with pytest.raises(UserError, match=rf"^base\.run\.{key} is '2h', expected none, .*{remedy}"):
        read_sweep(write_sweep(section))
    with pytest.raises(UserError, match=rf"^--set run\.{key} is '2h', expected none, .*{remedy}"):
        read_sweep(write_sweep()).with_overrides([section], metric=None, trials=None)


def test_ranges_become_what_the_sampler_draws_from(write_sweep: Any) -> None:
    search = {
        "training.batch": {"low": 4, "high": 8},
        "training.r1_gamma": {"low": 0.1, "high": 10, "log": True},
        "augment.preset": ["bg", "bgc"],
    }
    assert read_sweep(write_sweep(search=search)).distributions() == {
        "training.batch": IntDistribution(4, 8),
        "training.r1_gamma": FloatDistribution(0.1, 10, log=True),
        "augment.preset": CategoricalDistribution(("bg", "bgc")),
    }


def test_an_end_of_a_range_may_be_a_number_that_yaml_takes_for_text(write_sweep: Any) -> None:
    path = write_sweep(search={"training.r1_gamma": {"low": "1e-3", "high": "1e1", "log": True}})
    assert read_sweep(path).distributions() == {
        "training.r1_gamma": FloatDistribution(1e-3, 10.0, log=True)
    }


@pytest.mark.parametrize("end", ["much", True, "nan", "1e400", 10**400, float("inf"), [1], None])
def test_an_end_of_a_range_that_is_no_number_is_refused(write_sweep: Any, end: object) -> None:
    with pytest.raises(
        UserError, match=r"search\.training\.batch is .*expected numbers with low below"
    ):
        read_sweep(write_sweep(search={"training.batch": {"low": 1, "high": end}}))


def test_the_number_of_runs_is_no_switch(write_sweep: Any) -> None:
    with pytest.raises(UserError, match="trials is True, expected a whole number"):
        read_sweep(write_sweep(trials=True))


def test_what_is_given_counts_and_what_is_not_stays(write_sweep: Any) -> None:
    given = read_sweep(write_sweep(metric="kid"))
    assert given.with_overrides([], metric=None, trials=None) == given
    other = given.with_overrides([{"training": {"batch": 4}}], metric="fid", trials=9)
    assert (other.metric, other.trials, other.base["training"]["batch"]) == ("fid", 9, 4)
    assert (other.name, other.search) == (given.name, given.search)


def test_a_sweep_is_counted_before_it_is_built(write_sweep: Any) -> None:
    message = (
        r"sweep 'tiny' has 1,000,000,000,000 runs, expected at most 10,000\. Give fewer trials"
    )
    with pytest.raises(UserError, match=message):
        sweep(write_sweep(), trials=10**12)
    with pytest.raises(UserError, match=message):
        sweep(write_sweep(trials=10**12))
