"""What a new run says about images that would spoil it: the cheap half of `adavit data check`."""

from adavit.curation.glance import advice, glance
from adavit.runtime.paths import quoted
from adavit.training.start.workload import Workload


def advice_on(workload: Workload) -> list[str]:
    """At most three warnings about the images that train, each with what to do; a look at their pixels, no more.

    Args:
        workload: Of a new run.
    """
    images, config = workload.image_set, workload.config
    seen = glance(
        images.images,
        images.labels,
        images.classes,
        inside=images.inside,
        chosen=workload.split.train,
    )
    quoted_path = quoted(str(config.data.source))
    return advice(seen, quoted_path, conditional=config.data.cond, has_files=bool(images.names))
