"""Public names of a package that are imported when they are used (PEP 562).

Torch takes seconds to import, and what only asks for names (help, completion, lists of runs) needs none of it.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def on_demand(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package.

    Args:
        package: Its name.
        homes: The module that each of its names is imported from.

    Returns:
        The two functions, to be bound to these names in the package's `__init__.py`. The second
        tells what is in `__all__`, imported or not, and what every module has.
    """

    def getattribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    def names() -> list[str]:
        module = vars(sys.modules[package])
        return sorted({*module["__all__"], *(name for name in module if name.startswith("__"))})

    return getattribute, names
