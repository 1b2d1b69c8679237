"""The shape of the project: which room may import which, and how long a file may be."""

import importlib
import re
from typing import Any

import pytest

from benchmarks.house import LINKS, ORDER, ROOT, Module, circle, modules, namesakes, upward_imports

LONGEST = 350
TESTED_ELSEWHERE = {
    "adavit/__main__.py": "tests/cli/test_main.py",  # three lines that call the command line
    "adavit/data/small_set/objects.py": "tests/adavit/data/small_set/test_images.py",  # by a digest
    "adavit/training/trained_networks.py": "tests/cli/test_inspect.py",  # bad files
    "adavit/features/library.py": "tests/adavit/features/test_timm_networks.py",  # an interface
    "adavit/metrics/measure.py": "tests/adavit/metrics/test_measures.py",  # an interface
    "adavit/publishing/file_names.py": "tests/adavit/publishing/test_publish.py",  # names of files
    "adavit/training/start/transfer.py": "tests/cli/test_transfer.py",  # between whole runs
}
"""Source files without a test file of their own, with the one that holds them."""
SHARED_NAMES = {
    "does to its own kind of thing what the other does to its own": (
        *(
            "build_page",
            "check_features",
            "check_images",
            "check_name",
            "check_names",
            "check_size",
        ),
        *(
            "describe",
            "described",
            "draw",
            "facts_of",
            "headline",
            "open_source",
            "settings_of",
            "status_of",
        ),
    ),
    "a word of mathematics or of the field, in rooms that know nothing of each other": (
        *("convolution", "mapping", "nearest", "per_image", "smooth"),
    ),
    "a small helper of its room": (
        *("advice", "bytes_of", "digest_of", "part_size", "png_of", "prepared", "writable"),
    ),
}
"""Functions that may share a name with one of another module, by why; all are read beside their module's name."""
HOUSE = modules()


def test_imports_go_one_way() -> None:
    wrong = upward_imports(HOUSE)
    assert not wrong, (
        f"{wrong}: data flows up the ORDER of rooms; move the code down, or pass it in"
    )


def test_augment_stands_by_itself() -> None:
    outside = [
        f"{module.path}:{line} imports {target}"
        for module in HOUSE.values()
        for target, line in module.imports
        if module.room == "augment" and HOUSE[target].room != "augment"
    ]
    assert not outside, (
        f"{outside}: augment is images in, images out, and knows nothing of the rest"
    )


def test_no_modules_import_each_other() -> None:
    assert not circle(HOUSE), f"{' -> '.join(circle(HOUSE))}: give what they share a module below"


def test_every_file_lies_in_a_room_of_the_plan() -> None:
    loose = [str(module.path) for module in HOUSE.values() if module.room not in ORDER]
    assert not loose, f"{loose} lie in no room: move them into one, or give the room its place"
    files = {path.name for path in (ROOT / "adavit").glob("*.py")}
    assert files == {"__init__.py", "__main__.py", "errors.py"}, (
        f"{files}: adavit/ holds rooms, not modules"
    )


def test_every_room_of_the_plan_stands() -> None:
    empty = set(ORDER) - {module.room for module in HOUSE.values()}
    assert not empty, f"{empty} are rooms of the plan without a file: take them out of it"


def test_files_hold_one_idea() -> None:
    scripts = (ROOT / "adavit").rglob("*.js")
    lines = {str(path.name): len(path.read_text("utf-8").splitlines()) for path in scripts}
    lines |= {str(module.path): module.lines for module in HOUSE.values()}
    long = {path: count for path, count in lines.items() if count > LONGEST}
    assert not long, f"{long} are longer than {LONGEST} lines: give each idea a file of its own"


def test_a_class_or_function_has_a_name_of_its_own() -> None:
    found = namesakes(HOUSE)
    shared = {name for names in SHARED_NAMES.values() for name in names}
    more = {name: paths for name, paths in found.items() if name not in shared}
    assert not more, f"{more}: one name for one thing; rename all but one of each"
    needless = shared - {*found}
    assert not needless, f"{needless} are shared no more: take them off SHARED_NAMES"


def test_our_folders_are_imported_by_the_name_they_are_installed_under() -> None:
    bare = re.compile(rf"^\s*(?:from|import) (?:{'|'.join(LINKS)})\b")
    sources = [
        path
        for folder in ("adavit", "augment", "cli", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    ]
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if bare.match(line)
    ]
    assert not wrong, f"{wrong}: write adavit.augment, adavit.cli, adavit.configs"


@pytest.mark.parametrize(
    "module", [m for m in HOUSE.values() if m.room == "cli"], ids=lambda m: m.name
)
def test_the_command_line_holds_no_arithmetic_on_tensors(module: Module) -> None:
    text = (ROOT / module.path).read_text(encoding="utf-8")
    found = re.findall(
        r"^\s*(?:from|import) (numpy|torchvision|kornia)\b", text, flags=re.MULTILINE
    )
    assert not found, f"{module.path} imports {found}: cli parses, calls adavit and prints"


def test_the_map_of_contributing_is_the_house() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| `(?:adavit/)?([a-z_]+)/` \|", text, flags=re.MULTILINE)
    rooms = [room for room in ORDER if "/" not in room and not room.startswith("__")]
    expected = [room for room in rooms if room != "errors"]
    assert [room for room in shown if room in expected] == expected, (
        "the map lists the rooms in order"
    )
    folders = {path.name for path in (ROOT / "adavit").iterdir() if path.is_dir()} - {*LINKS}
    folders -= {"__pycache__"}
    assert folders <= set(shown), "every room stands on the map of CONTRIBUTING.md"
    absent = [room for room in shown if not any((ROOT / p / room).is_dir() for p in ("", "adavit"))]
    assert not absent, f"{absent} stand on the map and not in the house"


def test_every_source_file_has_its_test_file() -> None:
    own = {
        str(m.path): f"tests/{m.path.parent}/test_{m.path.name}"
        for m in HOUSE.values()
        if m.path.name != "__init__.py"
    }
    held = own | TESTED_ELSEWHERE
    absent = {source: test for source, test in held.items() if not (ROOT / test).is_file()}
    assert not absent, f"{absent}: write the test file, or say in TESTED_ELSEWHERE what holds it"
    needless = [source for source in TESTED_ELSEWHERE if (ROOT / own.get(source, "")).is_file()]
    assert not needless, f"{needless} have test files of their own: take them off the list"


def test_what_is_named_in_docstrings_and_documents_is_there() -> None:
    absent = set()
    texts = [*ROOT.glob("*.md")]
    for folder in ("adavit", "augment", "cli", "benchmarks", "configs"):
        files = (ROOT / folder).rglob("*.*")
        texts += [path for path in files if path.suffix in (".py", ".md", ".yaml")]
    for path in texts:
        text = path.read_text(encoding="utf-8")
        names = re.findall(r"`(adavit(?:\.\w+)+)`", text)
        paths = re.findall(r"`((?:adavit|augment|cli|tests|benchmarks|configs)/[\w./-]+)`", text)
        absent |= {(path.name, name) for name in names if not _is_there(name)}
        absent |= {(path.name, name) for name in paths if not (ROOT / name).exists()}
    examples = {"adavit/a/b.py", "tests/adavit/a/test_b.py", "configs/FOLDER"}
    absent = {(path, name) for path, name in absent if name not in examples}
    assert not absent, f"{absent} are named and are not there (any more)"


def _is_there(dotted: str) -> bool:
    """Whether a dotted name is a module or something in one."""
    found: Any = importlib.import_module("adavit")
    for number, part in enumerate(dotted.split(".")[1:], start=2):
        try:
            found = importlib.import_module(".".join(dotted.split(".")[:number]))
        except ImportError:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
    return True
