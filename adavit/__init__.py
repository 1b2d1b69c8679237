"""adavit: train GANs on 100 to 10,000 images.

    import adavit
    run = adavit.train(data="small_set", kimg=20)
    generator = adavit.load_generator(run)

The command line is `adavit train`, `adavit evaluate`, `adavit generate`.
"""

from typing import TYPE_CHECKING

from adavit.runtime.on_demand import on_demand

__all__ = [
    "RunConfig",
    "RunError",
    "Stopped",
    "UserError",
    "__version__",
    "card",
    "directions",
    "export",
    "generate",
    "import_networks",
    "interpolate",
    "load_generator",
    "mix",
    "project",
    "publish",
    "resume",
    "studio",
    "train",
]

if TYPE_CHECKING:
    from adavit.config.run import RunConfig
    from adavit.errors import RunError, UserError
    from adavit.exploring.directions import directions
    from adavit.exploring.interpolate import interpolate
    from adavit.exploring.mix import mix
    from adavit.generation.generate import generate
    from adavit.importing.import_networks import import_networks
    from adavit.projection.project import project
    from adavit.publishing.card import card
    from adavit.publishing.export import export
    from adavit.publishing.publish import publish
    from adavit.runs.generator_file import load_generator
    from adavit.runtime.signals import Stopped
    from adavit.runtime.version import __version__
    from adavit.serving.studio import studio
    from adavit.training.train import resume, train
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "RunConfig": "adavit.config.run",
            "RunError": "adavit.errors",
            "Stopped": "adavit.runtime.signals",
            "UserError": "adavit.errors",
            "__version__": "adavit.runtime.version",
            "card": "adavit.publishing.card",
            "directions": "adavit.exploring.directions",
            "export": "adavit.publishing.export",
            "generate": "adavit.generation.generate",
            "import_networks": "adavit.importing.import_networks",
            "interpolate": "adavit.exploring.interpolate",
            "load_generator": "adavit.runs.generator_file",
            "mix": "adavit.exploring.mix",
            "project": "adavit.projection.project",
            "publish": "adavit.publishing.publish",
            "resume": "adavit.training.train",
            "studio": "adavit.serving.studio",
            "train": "adavit.training.train",
        },
    )
