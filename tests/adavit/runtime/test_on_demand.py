import ast
import importlib
from pathlib import Path
from types import ModuleType

import pytest

import adavit
import adavit.augment
import adavit.data
import adavit.metrics
import adavit.models

PACKAGES = [adavit, adavit.augment, adavit.data, adavit.metrics, adavit.models]
own_names = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)


@own_names
def test_every_public_name_is_there_and_shown(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    shown = [name for name in dir(package) if not name.startswith("__")]
    assert shown == sorted(name for name in package.__all__ if not name.startswith("__"))
    assert set(package.__all__) <= set(dir(package))


@own_names
def test_type_checkers_are_told_the_same_homes(package: ModuleType) -> None:
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module != "torch"
        for alias in node.names
    }
    assert told
    for name, home in told.items():
        assert getattr(package, name) is getattr(importlib.import_module(str(home)), name)
    (table,) = (
        node for other in block.orelse for node in ast.walk(other) if isinstance(node, ast.Dict)
    )
    assert ast.literal_eval(table) == told


@own_names
def test_another_name_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nix'"):
        _ = package.nix
    assert not hasattr(package, "nix")
