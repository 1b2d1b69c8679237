import math
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from adavit.config.layers import parse_assignment
from adavit.errors import RunError
from adavit.experiments import sweep_plan
from adavit.experiments.cell import Cell
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.queue import Claim
from adavit.experiments.sweep_file import read_sweep
from adavit.experiments.sweep_plan import SweepPlan, shown_value
from adavit.experiments.worker import Pruned
from tests.adavit.experiments.queue_processes import open_queue


def make_cell_of(job: str) -> Cell:
    """As far as its directory and its figure ask."""
    settings = {"metrics": {"names": ["fid"]}}
    return Cell(
        *("tiny", job, {}, job), baseline=False, varied={}, settings=settings, fingerprint="ab"
    )


class Killed(BaseException):
    """As by the system: nothing is tidied up."""


@pytest.mark.parametrize("drawn_before", [0, 1, 2])
def test_a_kill_between_two_draws_of_a_run_changes_neither_of_them(
    write_sweep: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn_before: int
) -> None:
    search = {
        "training.r1_gamma": {"low": 0.01, "high": 10.0, "log": True},
        "training.generator_lr": {"low": 0.001, "high": 0.01},
        "training.batch": {"low": 4, "high": 64},
    }
    plan = SweepPlan(read_sweep(write_sweep(search=search, trials=4)), 0, "fid")
    suggest = sweep_plan._suggest

    def draw(folder: str, killed: bool) -> list[dict[str, Any]]:
        (tmp_path / folder).mkdir()
        queue = open_queue(tmp_path / folder, study=plan.name)
        found = []
        for job, figure in zip(plan.jobs, (3.0, 1.0, 2.0, 4.0), strict=True):
            claim = queue.claim([job])
            assert claim is not None
            if killed:
                left = [drawn_before]

                def die(*arguments: Any, left: list[int] = left) -> Any:
                    if not left[0]:
                        raise Killed
                    left[0] -= 1
                    return suggest(*arguments)

                with monkeypatch.context() as patched:
                    patched.setattr(sweep_plan, "_suggest", die)
                    with pytest.raises(Killed):
                        plan.cell(queue, claim)
                queue.storage.set_trial_state_values(
                    claim.trial_id, TrialState.FAIL
                )  # as of the dead
                claim = queue.claim([job])
                assert claim is not None
                assert claim.attempts == 2
            found.append(plan.cell(queue, claim).axes)
            queue.finish(claim, figure)
        return found

    undisturbed = draw("whole", killed=False)
    assert draw("killed", killed=True) == undisturbed
    for key in search:
        assert len({axes[key] for axes in undisturbed}) == 4, "no two runs are drawn alike"


@pytest.mark.parametrize("starts", ["from nothing", "from weights"])
def test_a_run_above_the_median_is_pruned(write_sweep: Any, tmp_path: Path, starts: str) -> None:
    plan = SweepPlan(read_sweep(write_sweep()), 0, "fid")
    queue = open_queue(tmp_path, study="sweep/tiny/fid")
    untrained = starts == "from nothing"

    def run(job: str, *figures: float) -> Claim:
        """Figures without a run: those of optuna's rule must come back out."""
        claim = queue.claim([job])
        assert claim is not None
        directory = CellDirectory(tmp_path, make_cell_of(job))
        directory.make()
        for index, figure in enumerate(figures):
            record = {"images": 32 * index, "fd_random": figure, "protocol": {}}
            if untrained and not index:
                record["untrained"] = True
            directory.run.append(directory.run.metrics, record)
        plan.watch(queue, claim, directory)()
        queue.finish(claim, figures[-1])
        return claim

    for job, figure in (("a", 4.0), ("b", 5.0), ("c", 6.0)):
        claim = run(job, 9.0, figure)
        told = queue.storage.get_trial(claim.trial_id).intermediate_values
        assert told == ({} if untrained else {0: 9.0}) | {32: figure}
    run("d", 9.0, 5.0)  # the median itself stays
    run("e", 99.0, 3.0)  # what all start from is not judged
    with pytest.raises(Pruned, match=r"fd_random 7 at 0\.032 kimg is above the median"):
        # Untrained, flat grey images may be nearer than what is drawn for some thousand images.
        run("f", 2.0 if untrained else 9.0, 7.0)


def test_a_run_measured_by_another_network_is_refused_and_compared_with_none(
    write_sweep: Any, tmp_path: Path
) -> None:
    plan = SweepPlan(read_sweep(write_sweep()), 0, "fid")
    queue = open_queue(tmp_path, study=plan.name)

    def run(job: str, recorded: str, figure: float) -> tuple[Claim, CellDirectory]:
        claim = queue.claim([job])
        assert claim is not None
        directory = CellDirectory(tmp_path, make_cell_of(job))
        directory.make()
        record = {"images": 32, recorded: figure, "protocol": {}}
        directory.run.append(directory.run.metrics, record)
        return claim, directory

    for job, figure in (("a", 0.4), ("b", 0.5)):
        claim, directory = run(job, "fd_random", figure)
        plan.watch(queue, claim, directory)()
        assert plan.figure(queue, directory) == figure
        queue.finish(claim, figure)
    claim, directory = run("c", "fid", 60.0)
    for look in (plan.watch(queue, claim, directory), lambda: plan.figure(queue, directory)):
        with pytest.raises(RunError, match=r"^it recorded fid, expected fd_random as .* one\.$"):
            look()
    assert not queue.storage.get_trial(claim.trial_id).intermediate_values


@pytest.mark.parametrize("figures", [[], [math.nan], [math.nan, math.inf]])
def test_a_run_without_a_finite_figure_cannot_be_compared(
    write_sweep: Any, tmp_path: Path, figures: list[float]
) -> None:
    plan = SweepPlan(read_sweep(write_sweep()), 0, "fid")
    queue = open_queue(tmp_path, study=plan.name)
    directory = CellDirectory(tmp_path, make_cell_of("a"))
    directory.make()
    for index, figure in enumerate(figures):
        record = {"images": 32 * (index + 1), "fd_random": figure, "protocol": {}}
        directory.run.append(directory.run.metrics, record)
    with pytest.raises(RunError, match=r"^fid was never finite, so the run cannot be compared\.$"):
        plan.figure(queue, directory)
    record = {"images": 128, "fd_random": 3.0, "protocol": {}}
    directory.run.append(directory.run.metrics, record)
    assert plan.figure(queue, directory) == 3


def test_a_list_and_whole_numbers_are_drawn_as_such(write_sweep: Any, tmp_path: Path) -> None:
    search = {
        "training.batch": {"low": 4, "high": 8},
        "augment.preset": ["bg", "bgc"],
        "training.r1_gamma": {"low": 1.0, "high": 2},
    }
    given = read_sweep(write_sweep(search=search))
    queue = open_queue(tmp_path, study="sweep/tiny/fid")
    claim = queue.claim(["trial 0"])
    assert claim is not None
    cell = SweepPlan(given, 0, "fid").cell(queue, claim)
    assert isinstance(cell.axes["training.batch"], int)
    assert cell.axes["augment.preset"] in ("bg", "bgc")
    assert isinstance(cell.axes["training.r1_gamma"], float)
    assert cell.settings["training"]["batch"] == cell.axes["training.batch"]


@pytest.mark.parametrize("value", [None, True, False, 3, 0.25, "bgc"])
def test_a_value_is_shown_as_set_takes_it(value: Any) -> None:
    shown = shown_value(value)
    assert parse_assignment(f"section.key={shown}") == {"section": {"key": value}}
