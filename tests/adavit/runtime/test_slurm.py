import os

import pytest

from adavit.errors import UserError
from adavit.runtime.process_group import process_group
from adavit.runtime.slurm import tasks_of_srun, told_by_srun
from tests.processes import launched

SRUN = {
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "3",
    "SLURM_STEP_NUM_TASKS": "11",
    "SLURM_STEP_NODELIST": "gpu[007-008,012]",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2),3",
    "SLURM_PROCID": "9",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "2",
}


def test_a_task_is_told_its_place_and_where_all_meet() -> None:
    assert tasks_of_srun(SRUN) == "11"
    assert told_by_srun(SRUN) == {
        "RANK": "9",
        "WORLD_SIZE": "11",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "3",
        "MASTER_ADDR": "gpu007",
        "MASTER_PORT": str(10_000 + 47_113 % 20_000),
    }


@pytest.mark.parametrize(
    ("machines", "first"),
    [
        ("here", "here"),
        ("a.b,c", "a.b"),
        ("n-1,n-2", "n-1"),
        ("n[3]", "n3"),
        ("n[03,05-09],m", "n03"),
        ("rack[2-3]n[07-09,12],login", "rack2n07"),
        ("n[1-2]-ib,x", "n1-ib"),
    ],
)
def test_all_meet_at_the_first_machine(machines: str, first: str) -> None:
    assert told_by_srun({**SRUN, "SLURM_STEP_NODELIST": machines})["MASTER_ADDR"] == first


def test_steps_of_one_job_that_run_side_by_side_have_ports_of_their_own() -> None:
    ports = {told_by_srun({**SRUN, "SLURM_STEP_ID": str(step)})["MASTER_PORT"] for step in range(8)}
    assert len(ports) == 8


def test_a_meeting_place_that_is_given_has_the_last_word() -> None:
    given = {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500"}
    told = told_by_srun({**SRUN, **given})
    assert given.items() <= told.items()


@pytest.mark.parametrize(
    "changes",
    [
        {"RANK": "0"},  # torchrun's, which srun may have started
        {"SLURM_STEP_NUM_TASKS": "1"},
    ],
)
def test_nothing_is_told_to_a_process_of_torchrun_or_a_single_task(changes: dict[str, str]) -> None:
    assert tasks_of_srun({**SRUN, **changes}) == "1"
    assert told_by_srun({**SRUN, **changes}) == {}


def test_nothing_is_told_where_a_script_of_a_job_has_many_tasks_but_srun_did_not_start_this() -> (
    None
):
    script = {"SLURM_JOB_ID": "4711", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"}
    assert tasks_of_srun(script) == "1"
    assert told_by_srun(script) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"SLURM_NODEID": "3"},
        {"SLURM_STEP_TASKS_PER_NODE": "many"},
        {"SLURM_STEP_NODELIST": ""},
        {"SLURM_JOB_ID": "x"},
    ],
)
def test_what_cannot_be_understood_is_a_mistake(changes: dict[str, str]) -> None:
    with pytest.raises(
        UserError, match=r"^srun has started 11 tasks, but .* Start them by srun torchrun"
    ):
        told_by_srun({**SRUN, **changes})
    missing = {key: value for key, value in SRUN.items() if key not in changes}
    with pytest.raises(UserError, match=f"{next(iter(changes))} is missing"):
        told_by_srun(missing)


def test_tasks_of_srun_join_as_processes_of_torchrun_do() -> None:
    def work() -> None:
        rank = os.environ.pop("RANK")
        for name in ("WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
            del os.environ[name]
        here = {"SLURM_PROCID": rank, "SLURM_LOCALID": rank, "SLURM_NODEID": "0"}
        step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_TASKS_PER_NODE": "2"}
        os.environ.update({**SRUN, **here, **step})
        with process_group() as group:
            assert (group.world.rank, group.world.size) == (int(rank), 2)

    assert [(each.code, each.errors) for each in launched(2, work)] == [(0, "")] * 2
