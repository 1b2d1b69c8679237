import os
import subprocess
import sys
from pathlib import Path

import pytest

from adavit.runtime.locks import is_locked, locked

ROOT = Path(__file__).parents[3]


def test_one_at_a_time_and_all_can_see_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert not is_locked(path)
    assert not path.exists()  # who asks leaves nothing behind
    with locked(path):
        assert is_locked(path)
        with pytest.raises(TimeoutError), locked(path):
            pass
    assert not is_locked(path)
    with locked(path):
        assert is_locked(path)


def test_leave_to_read_is_enough_to_ask(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.touch()
    path.chmod(0o444)
    assert not is_locked(path)
    assert path.stat().st_size == 0


def test_folders_and_pipes_are_no_locks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not is_locked(tmp_path / "pipe")
    assert not is_locked(tmp_path)


def test_a_kill_gives_it_free(tmp_path: Path) -> None:
    body = (
        "import sys, time\nfrom pathlib import Path\nfrom adavit.runtime.locks import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", body, str(tmp_path / ".lock")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert is_locked(tmp_path / ".lock")
    process.kill()
    process.communicate()
    assert not is_locked(tmp_path / ".lock")
