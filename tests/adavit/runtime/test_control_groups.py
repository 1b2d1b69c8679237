from pathlib import Path

import pytest

from adavit.runtime import control_groups
from adavit.runtime.control_groups import cpu_quota, memory_left, memory_limit


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(control_groups, "ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(control_groups, "OWN", tmp_path / "own")
    (tmp_path / "own").write_text("0::/\n")
    return tmp_path / "cgroup"


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_without_groups_there_is_no_limit(root: Path) -> None:
    assert (cpu_quota(), memory_limit()) == (None, None)
    write(root, cpu__max="max 100000", memory__max="max")
    assert (cpu_quota(), memory_limit()) == (None, None)


def test_version_2_in_a_container(root: Path) -> None:
    write(root, cpu__max="150000 100000", memory__max="4294967296")
    assert (cpu_quota(), memory_limit()) == (1.5, 2**32)


def test_the_tightest_of_the_groups_around_a_process_counts(root: Path) -> None:
    (root.parent / "own").write_text("0::/batch/job\n")
    write(root / "batch", cpu__max="200000 100000", memory__max="1000")
    write(root / "batch" / "job", cpu__max="400000 100000", memory__max="max")
    write(root / "other", cpu__max="1000 100000", memory__max="1")
    assert (cpu_quota(), memory_limit()) == (2.0, 1000)


def test_version_1_with_and_without_its_path(root: Path) -> None:
    (root.parent / "own").write_text("4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n0::/\n")
    nothing = str(2**63 - 4096)
    write(root / "memory", memory__limit_in_bytes=nothing)
    write(root / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert (cpu_quota(), memory_limit()) == (None, None)
    write(root / "memory" / "docker" / "x", memory__limit_in_bytes="5000")
    write(root / "cpu" / "docker", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    assert (cpu_quota(), memory_limit()) == (0.5, 5000)


def test_nonsense_is_no_limit(root: Path) -> None:
    (root.parent / "own").write_bytes(b"\xff\n:::\nx")
    write(root, cpu__max="1000 0", memory__max="-5")
    assert (cpu_quota(), memory_limit()) == (None, None)


def test_what_is_taken_is_not_left_but_for_copies_of_files(root: Path) -> None:
    assert memory_left() is None
    write(
        root, memory__max="1000", memory__current="700", memory__stat="anon 300\ninactive_file 400"
    )
    assert memory_left() == 1000 - 300
    write(root, memory__current="1600", memory__stat="anon 1600")
    assert memory_left() == 0


def test_version_1_tells_what_is_taken_in_other_files(root: Path) -> None:
    (root.parent / "own").write_text("4:memory:/docker/x\n0::/\n")
    group = root / "memory" / "docker" / "x"
    write(group, memory__limit_in_bytes="5000", memory__usage_in_bytes="3000")
    write(group, memory__stat="inactive_file 10\ntotal_inactive_file 500")
    write(root / "memory" / "docker", memory__limit_in_bytes="2000")  # tells nothing of its use
    assert memory_left() == 2000
    write(root / "memory" / "docker", memory__usage_in_bytes="1999")
    assert memory_left() == 1
