"""The shape of the project: which package may import which, and how long a file may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {"augment": set(), "adavit": {"augment"}, "cli": {"augment", "adavit"}}
FOLDERS = {"augment", "cli", "configs", "tests", "benchmarks"}
LONGEST = 350


def sources(package: str) -> list[Path]:
    links = {path for path in (ROOT / package).iterdir() if path.is_symlink()}
    found = sorted((ROOT / package).rglob("*.py"))
    return [path for path in found if not links & set(path.parents)]


def package_of(module: str) -> str:
    """Which of the three packages a module belongs to: `adavit.augment` is one beside `adavit`."""
    first, _, rest = module.partition(".")
    below = rest.partition(".")[0]
    return below if first == "adavit" and below in MAY_IMPORT else first


def imported(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively; write the full name"
            yield node.module or "", node.lineno


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources(package)
        for name, line in imported(path)
        if package_of(name) in MAY_IMPORT.keys() - allowed or name.partition(".")[0] in FOLDERS
    ]
    assert not wrong, (
        f"{wrong}: data flows augment <- adavit <- cli; move the code down, or pass it in"
    )


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_files_hold_one_idea(package: str) -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources(package)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert not long, f"{long} are longer than {LONGEST} lines: give each idea a file of its own"


def test_the_command_line_holds_no_arithmetic_on_tensors() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources("cli")
        for name, line in imported(path)
        if name.partition(".")[0] in {"numpy", "torchvision", "kornia"}
    ]
    assert not wrong, f"{wrong}: cli parses, calls adavit and prints; move the logic to adavit"
