"""Processes started by torchrun's agent: scripts that stand for Python, and what becomes of them."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from adavit.errors import RunError, UserError
from adavit.runtime import launch as module
from adavit.runtime.launch import launch
from benchmarks.house import ROOT

REAL_PYTHON = sys.executable


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What runs in place of `python -m adavit`; the folder is where it works."""
    path = tmp_path / "script"
    monkeypatch.setattr(sys, "executable", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def says(script: Path, *lines: str) -> None:
    script.write_text("\n".join(("#!/bin/sh", *lines, "")))
    script.chmod(0o755)


def are_ready() -> bool:
    """Whether two scripts have made their files."""
    return Path("ready0").exists() and Path("ready1").exists()


def test_each_process_has_its_rank_and_its_share_of_the_cores(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(7)))
    monkeypatch.setattr(module, "cpu_quota", lambda: None)
    says(script, 'echo "$*, of $WORLD_SIZE, $OMP_NUM_THREADS threads" > $RANK')
    before = dict(os.environ)
    assert launch(3, ["train", "--out", "my run"]) == 0
    told = {Path(str(rank)).read_text() for rank in range(3)}
    assert told == {"-m adavit train --out my run, of 3, 2 threads\n"}
    assert dict(os.environ) == before
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert launch(2, []) == 0
    assert Path("0").read_text() == "-m adavit, of 2, 5 threads\n"


def test_processes_meet_on_a_machine_whose_name_leads_nowhere(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda name="": "this-machine.invalid")
    Path("join.py").write_text(
        "import os\n"
        "from adavit.runtime.process_group import process_group\n"
        "with process_group() as group:\n"
        "    open(os.environ['RANK'], 'w').write(str(group.world.size))\n"
    )
    # At a name that leads nowhere torch looks for five minutes.
    says(script, '[ "$MASTER_ADDR" = localhost ] || exit 3', f'exec "{REAL_PYTHON}" join.py')
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert launch(2, []) == 0
    assert Path("0").read_text() == Path("1").read_text() == "2"


def test_one_process_needs_no_other_to_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    module.check_processes_meet(2)
    monkeypatch.setattr(sys, "platform", "win32")
    for processes in (None, 1):
        module.check_processes_meet(processes)
    with pytest.raises(UserError, match=r"^--processes is 2, .* on Windows, expected 1\."):
        module.check_processes_meet(2)


@pytest.mark.parametrize(("quota", "expected"), [(None, 7), (8.0, 7), (2.5, 2), (0.5, 1)])
def test_a_control_group_lets_a_process_have_whole_cores_of_its_quota(
    quota: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(7)))
    monkeypatch.setattr(module, "cpu_quota", lambda: quota)
    assert module.cores() == expected


def test_the_code_of_the_one_that_failed_is_that_of_all(
    script: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    says(script, "[ $RANK = 1 ] && exit 2", "sleep 60")
    assert launch(2, []) == 2
    assert capfd.readouterr() == ("", "")  # who failed has said why


def test_a_process_that_was_killed_is_named_where_none_is_left_to_do_it(script: Path) -> None:
    says(script, "[ $RANK = 1 ] && kill -9 $$", "sleep 60")
    with pytest.raises(
        RunError, match=r"^rank 1 of 2 \(process \d+\) was ended by SIGKILL, expected"
    ):
        launch(2, [])


def test_nothing_is_said_of_it_where_another_has(script: Path) -> None:
    says(
        script,
        "[ $RANK = 1 ] && kill -9 $$",
        """echo '{"message": {"message": "told", "extraInfo": {"timestamp": "1"}}}' > $TORCHELASTIC_ERROR_FILE""",
        "sleep 60",
    )
    assert launch(2, []) == 1


@pytest.mark.parametrize(("code", "attempts"), [(2, 1), (130, 1), (143, 1), (1, 3)])
def test_processes_that_ended_as_they_were_to_are_not_started_anew(
    script: Path, code: int, attempts: int
) -> None:
    says(script, "echo >> $RANK", f"[ $RANK = 1 ] && exit {code}", "sleep 60")
    assert launch(2, [], restarts=2) == code
    assert Path("1").read_text() == "\n" * attempts


def test_processes_are_started_anew(script: Path) -> None:
    says(script, "echo >> $RANK", "[ $TORCHELASTIC_RESTART_COUNT = 2 ] || exit 1")
    assert launch(2, [], restarts=2) == 0
    assert Path("0").read_text() == Path("1").read_text() == "\n\n\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_each_process_once(script: Path, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    says(
        script,
        f"trap 'echo {name} >> $RANK; sleep 0.5; exit {128 + number}' {name}",
        "touch ready$RANK",
        "while true; do sleep 0.05; done",
    )
    handlers, over = signal.getsignal(number), threading.Event()

    def ask() -> None:
        last = time.monotonic() + 60
        while not are_ready() and time.monotonic() < last:
            if over.wait(0.05):
                return  # a signal now would end the tests
        os.kill(os.getpid(), number)

    threading.Thread(target=ask, daemon=True).start()
    try:
        assert launch(2, [], restarts=3) == 128 + number
    finally:
        over.set()
    assert Path("0").read_text() == Path("1").read_text() == f"{name}\n"
    assert signal.getsignal(number) == handlers


def test_a_second_ctrl_c_is_immediate(script: Path) -> None:
    says(script, "trap '' INT", "touch ready$RANK", "sleep 4")
    code = f"import sys; from adavit.runtime.launch import launch; sys.executable = {str(script)!r}; launch(2, [])"
    python = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([REAL_PYTHON, "-c", code], env=python) as process:
        last = time.monotonic() + 60
        while not are_ready():
            assert process.poll() is None
            assert time.monotonic() < last
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=2) == 130


def test_a_step_of_minutes_and_its_checkpoint_are_waited_for() -> None:
    assert module.TIME_TO_STOP_S >= 300
