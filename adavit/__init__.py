"""adavit: train GANs on 100 to 10,000 images.

    import adavit
    run = adavit.train(adavit.RunConfig(data={"source": "small_set"}))
    generator = adavit.load_generator(run)

The command line is `adavit train`, `adavit evaluate`, `adavit generate`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adavit.config.run import RunConfig
    from adavit.errors import RunError, UserError
    from adavit.runs.generator_file import load_generator
    from adavit.training.train import resume, train

__all__ = ["RunConfig", "RunError", "UserError", "load_generator", "resume", "train"]

_HOMES = {
    "RunConfig": "adavit.config.run",
    "RunError": "adavit.errors",
    "UserError": "adavit.errors",
    "load_generator": "adavit.runs.generator_file",
    "resume": "adavit.training.train",
    "train": "adavit.training.train",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is used: torch takes seconds, and `adavit --help` needs none."""
    if name not in _HOMES:
        raise AttributeError(f"module 'adavit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
