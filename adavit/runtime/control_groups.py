"""What a control group (a container, a batch system) lets a process have: Linux, versions 1 and 2."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

OWN = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")

_TAKEN = ("memory.current", "memory.usage_in_bytes")
"""What a group and those in it hold, in versions 2 and 1."""

_NO_LIMIT = 2**60
"""Version 1 writes a number of about 2^63 where there is none."""


def cpu_quota() -> float | None:
    """Cores that all its processes together may use, such as 1.5; None without a limit."""
    return min(_quotas(), default=None)


def memory_limit() -> int | None:
    """Bytes that all its processes together may use; None without a limit."""
    return min(_memories(), default=None)


def memory_left() -> int | None:
    """Bytes of `memory_limit` that are not taken yet, at least 0; copies of files, which give way, are not counted."""
    return min(_left(), default=None)


def _quotas() -> Iterator[float]:
    for folder in _folders("cpu"):
        for quota, period in (_words(folder / "cpu.max"), _version_1(folder)):
            if quota.isdigit() and period.isdigit() and int(period):
                yield int(quota) / int(period)


def _version_1(folder: Path) -> tuple[str, str]:
    return _words(folder / "cpu.cfs_quota_us")[0], _words(folder / "cpu.cfs_period_us")[0]


def _memories() -> Iterator[int]:
    return (limit for _, limit in _limited())


def _left() -> Iterator[int]:
    for folder, limit in _limited():
        taken = max(map(_number, (folder / name for name in _TAKEN)))
        yield max(0, limit - max(0, taken - _given_way(folder / "memory.stat")))


def _limited() -> Iterator[tuple[Path, int]]:
    """Groups whose memory has a limit, and the limit."""
    for folder in _folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit, _ = _words(folder / name)
            if limit.isdigit() and int(limit) < _NO_LIMIT:
                yield folder, int(limit)


def _number(file: Path) -> int:
    word, _ = _words(file)
    return int(word) if word.isdigit() else 0


def _given_way(stat: Path) -> int:
    """Bytes of copies of files that the system drops where a group needs memory; 0 where it does not say."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        numbers = dict(line.split(" ", 1) for line in stat.read_text().splitlines() if " " in line)
        for name in ("total_inactive_file", "inactive_file"):
            if numbers.get(name, "").isdigit():
                return int(numbers[name])
    return 0


def _words(file: Path) -> tuple[str, str]:
    """The first two words of a file, empty where there are none."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        first, second, *_ = [*file.read_text().split(), "", ""]
        return first, second
    return "", ""


def _folders(controller: str) -> Iterator[Path]:
    """The group of this process and those around it; each of them may have a limit."""
    yield ROOT
    yield ROOT / controller
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in OWN.read_text().splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            top = ROOT / controller if controllers else ROOT
            if not controllers or controller in controllers.split(","):
                inside = Path(path.lstrip("/"))
                yield from (top / part for part in (inside, *inside.parents))
