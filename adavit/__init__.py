"""adavit: train GANs on 100 to 10,000 images.

    import adavit
    run = adavit.train(adavit.RunConfig(data={"source": "small_set"}))
    generator = adavit.load_generator(run)

The command line is `adavit train`, `adavit evaluate`, `adavit generate`.
"""

from adavit.config import RunConfig
from adavit.errors import RunError, UserError
from adavit.generator_file import load_generator
from adavit.training.train import resume, train

__all__ = ["RunConfig", "RunError", "UserError", "load_generator", "resume", "train"]
