"""What pyproject.toml declares of other packages is what the sources import."""

import ast
import sys
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.house import ROOT, modules

DISTRIBUTIONS = {
    "PIL": "Pillow",
    "yaml": "PyYAML",
    "pydantic_core": "pydantic",  # which needs it in one exact version
}
"""Packages that are imported by another name than they are installed by."""

OF_THE_NOTEBOOK = "IPython"
"""Where it is not there nothing asks for it."""

NOT_OF_THE_PROGRAM = ("dev", "docs")
"""Extras for those who change the project."""


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def imported(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Packages of others by the name they are imported by, and whether the module cannot be imported without."""
    for node in ast.walk(tree):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found = [each.value for each in node.args if isinstance(each, ast.Constant)]
        for name in found:
            package = name.partition(".")[0]
            if package not in {"adavit", *sys.stdlib_module_names}:
                yield package, node in tree.body


@pytest.mark.parametrize("always", [True, False], ids=["always", "where it is asked for"])
def test_what_is_imported_is_declared(always: bool) -> None:
    declared = names(project()["dependencies"])
    if not always:
        extras = project()["optional-dependencies"].items()
        declared |= {
            name
            for extra, lines in extras
            if extra not in NOT_OF_THE_PROGRAM
            for name in names(lines)
        }
    found = {
        package: str(module.path)
        for module in modules().values()
        for package, needed in imported(ast.parse((ROOT / module.path).read_text("utf-8")))
        if needed == always and package != OF_THE_NOTEBOOK
    }
    assert len(found) >= 7
    missing = {
        package: path
        for package, path in found.items()
        if canonicalize_name(DISTRIBUTIONS.get(package, package)) not in declared
    }
    assert not missing, f"{missing}: add them to the dependencies in pyproject.toml, or to an extra"
