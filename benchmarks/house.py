"""The plan of the house, and what the code makes of it: `python benchmarks/house.py` prints the figures.

A room is a folder below `adavit/`; the folders `augment/` and `cli/` are rooms too. `ORDER` is from the ground up: a
room may import from those before it, and from itself.
"""

import argparse
import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINKS = ("augment", "cli", "configs")
"""Packages that lie beside `adavit/` in the repository and below it when installed."""

ORDER = (
    "augment",
    "errors",
    "runtime",
    "models",
    "data",
    "metrics",
    "curation",
    "features",
    "runs",
    "config",
    "watch",
    "build",
    "styles",
    "generation",
    "exploring",
    "evaluation",
    "importing",
    "training/passes",
    "training/objectives",
    "training/step",
    "training/start",
    "training",
    "pretraining",
    "projection",
    "diagnostics",
    "experiments",
    "report",
    "publishing",
    "serving",
    "doctor",
    "__init__",
    "cli",
    "__main__",
)
"""Rooms from the ground up. A room inside a room has a place of its own where others of its room build on it."""


@dataclass(frozen=True)
class Module:
    """A source file.

    Attributes:
        name: As it is imported, for example "adavit.data.cache".
        path: From the root of the repository.
        imports: Modules of ours that it imports, with the line.
        classes: Public classes that it defines.
        functions: Public functions that it defines beside them.
        lines: Its length.
    """

    name: str
    path: Path
    imports: tuple[tuple[str, int], ...]
    classes: tuple[str, ...]
    functions: tuple[str, ...]
    lines: int

    @property
    def room(self) -> str:
        """The longest entry of `ORDER` that its path begins with."""
        place = self.name.removeprefix("adavit").strip(".").replace(".", "/") or "__init__"
        fitting = [room for room in ORDER if place == room or place.startswith(f"{room}/")]
        return max(fitting, key=len, default=place.partition("/")[0])


def modules(root: Path = ROOT) -> dict[str, Module]:
    """Every source file of ours by the name it is imported under."""
    paths = {
        _name(path.relative_to(root)): path.relative_to(root)
        for folder in ("adavit", "augment", "cli")
        for path in sorted((root / folder).rglob("*.py"))
        if not any(parent.is_symlink() for parent in path.parents)
    }
    return {name: _read(name, root, path, paths) for name, path in paths.items()}


def upward_imports(found: dict[str, Module]) -> list[str]:
    """Imports of a room from one that stands above it, as "path:line imports module"."""
    place = {room: number for number, room in enumerate(ORDER)}
    return [
        f"{module.path}:{line} imports {target}"
        for module in found.values()
        for target, line in module.imports
        if place.get(found[target].room, -1) > place.get(module.room, len(ORDER))
    ]


def circle(found: dict[str, Module]) -> list[str]:
    """Modules that import each other in a circle; empty if none do."""
    # A package that imports from its own modules, and those from the package, is one too.
    try:
        TopologicalSorter(
            {
                name: {target for target, _ in module.imports if target != name}
                for name, module in found.items()
            }
        ).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def namesakes(found: dict[str, Module]) -> dict[str, list[str]]:
    """Public classes and functions whose name stands in more than one module.

    Functions of the command line are left out: a command is called as what it calls.
    """
    homes = defaultdict(list)
    for module in found.values():
        functions = () if module.room == "cli" else module.functions
        for name in (*module.classes, *functions):
            homes[name].append(str(module.path))
    return {name: paths for name, paths in homes.items() if len(paths) > 1}


def _name(path: Path) -> str:
    dotted = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    return f"adavit.{dotted}" if path.parts[0] in LINKS else dotted


def _read(name: str, root: Path, path: Path, known: dict[str, Path]) -> Module:
    text = (root / path).read_text(encoding="utf-8")
    tree = ast.parse(text)
    return Module(
        name=name,
        path=path,
        imports=tuple(dict.fromkeys(_imports(tree, known, path))),
        classes=_public(tree, ast.ClassDef),
        functions=_public(tree, ast.FunctionDef),
        lines=len(text.splitlines()),
    )


def _public(tree: ast.Module, kind: type[ast.ClassDef | ast.FunctionDef]) -> tuple[str, ...]:
    return tuple(
        node.name for node in tree.body if isinstance(node, kind) and not node.name.startswith("_")
    )


def _imports(tree: ast.AST, known: dict[str, Path], path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively; write the full name"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                target = inner if inner in known else node.module or ""
                if target in known:
                    yield target, node.lineno


def main() -> None:
    """Prints the figures of this tree, or of another one."""
    parser = argparse.ArgumentParser(description="Figures of the house: files, rooms, imports.")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT, help="another clone")
    found = modules(parser.parse_args().root)
    longest = max(found.values(), key=lambda module: module.lines)
    between = {
        (module.room, found[target].room)
        for module in found.values()
        for target, _ in module.imports
        if module.room != found[target].room
    }
    rooms = Counter(module.room for module in found.values())
    print(f"{len(found)} files, {sum(module.lines for module in found.values()):,} lines")
    print(f"longest: {longest.path}, {longest.lines} lines")
    print(f"{len(rooms)} rooms: " + ", ".join(f"{room} {rooms[room]}" for room in sorted(rooms)))
    print(f"{len(between)} imports between rooms")
    print(f"imports that go up: {len(upward_imports(found))}", *upward_imports(found), sep="\n  ")
    print(f"circle: {' -> '.join(circle(found)) or 'none'}")
    print(f"classes and functions of one name: {namesakes(found) or 'none'}")


if __name__ == "__main__":
    main()
