"""Whole processes, because signals and locks are between processes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, Adavit


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "adavit", "train", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


def endless(pictures: Path) -> list[object]:
    flags = [f for f in TINY if f != "0.032"]
    flags.insert(flags.index("--kimg") + 1, "100000")
    cadence = ["--set", "run.status_every_kimg=0.01", "--metrics", "", "--no-compile"]
    return ["--data", pictures, "--out", "run", *flags, *cadence]


@pytest.fixture(autouse=True)
def packages_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_writes_a_checkpoint_and_has_its_exit_code(
    adavit: Adavit, pictures: Path, number: signal.Signals, code: int
) -> None:
    process = start(*endless(pictures))
    try:
        wait_for(Path("run/stats.jsonl"), process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    whose = "Ctrl-C" if number == signal.SIGINT else number.name
    assert errors == (
        f"Stopped by {whose}; the checkpoint is written. Go on with: adavit train --resume run\n"
    )
    (listed,) = json.loads(adavit("runs", ".", "--json").out)
    assert listed["status"] == "stopped"  # at once, and as far as the checkpoint, not the log
    shorter = adavit("train", "--resume", "run", "--kimg", "0.008")
    assert shorter.code == 2
    assert f"but the run has seen {listed['kimg']:g} kimg already" in shorter.err
    resumed = adavit("train", "--resume", "run", "--kimg", f"{listed['kimg']:g}")
    assert resumed.code == 0, resumed.err
    assert "is finished" in resumed.out  # what was trained before the signal is all there


SLOWLY = """
import time
from adavit.cli.main import main
from adavit.curation import written_set
encode = written_set.png_of
written_set.png_of = lambda *image: (time.sleep(0.2), encode(*image))[1]
main()
"""


def test_a_set_is_removed_that_is_stopped_while_it_is_written(
    pictures: Path, tmp_path: Path
) -> None:
    arguments = ["data", "subset", str(pictures), "--count", "12", "--out", "there/few"]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, *arguments], stderr=subprocess.PIPE, text=True
    )
    end, folder = time.monotonic() + 120, tmp_path / "there"
    while not any(folder.glob(".few.*.partial/**/*.png")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert errors.endswith("Stopped by SIGTERM.\n")
    assert not any(folder.iterdir())


@pytest.mark.slow
def test_one_run_is_trained_by_one_process_at_a_time(adavit: Adavit, pictures: Path) -> None:
    process = start(*endless(pictures))
    try:
        wait_for(Path("run/stats.jsonl"), process)
        second = adavit("train", "--resume", "run")
        assert second.code == 2
        assert "is being trained by another process" in second.err
    finally:
        process.kill()
        process.communicate()
    after_the_kill = adavit("train", "--resume", "run", "--kimg", "0.008")
    assert after_the_kill.code == 0, after_the_kill.err
