"""What a control group (a container, a batch system) lets a process have: Linux, versions 1 and 2."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

OWN = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")

_NO_LIMIT = 2**60
"""Version 1 writes a number of about 2^63 where there is none."""


def cpu_quota() -> float | None:
    """Cores that all its processes together may use, such as 1.5; None without a limit."""
    return min(_quotas(), default=None)


def memory_limit() -> int | None:
    """Bytes that all its processes together may use; None without a limit."""
    return min(_memories(), default=None)


def _quotas() -> Iterator[float]:
    for folder in _folders("cpu"):
        for quota, period in (_words(folder / "cpu.max"), _version_1(folder)):
            if quota.isdigit() and period.isdigit() and int(period):
                yield int(quota) / int(period)


def _version_1(folder: Path) -> tuple[str, str]:
    return _words(folder / "cpu.cfs_quota_us")[0], _words(folder / "cpu.cfs_period_us")[0]


def _memories() -> Iterator[int]:
    for folder in _folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit, _ = _words(folder / name)
            if limit.isdigit() and int(limit) < _NO_LIMIT:
                yield int(limit)


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
