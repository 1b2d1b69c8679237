"""Images -> one uint8 array, class labels, the held-out part, batches in [-1, 1]."""

from typing import TYPE_CHECKING

from adavit.runtime.on_demand import on_demand

__all__ = [
    "NAMES",
    "BatchSampler",
    "Channels",
    "ImageSet",
    "Reading",
    "Skipped",
    "Split",
    "draw_evenly",
    "images_to_float",
    "images_to_uint8",
    "load_images",
    "split_counts",
    "split_images",
]

if TYPE_CHECKING:
    from adavit.data.channels import Channels
    from adavit.data.dataset import load_images
    from adavit.data.files.members import Skipped
    from adavit.data.image_set import ImageSet
    from adavit.data.known_names import NAMES
    from adavit.data.pixels import images_to_float, images_to_uint8
    from adavit.data.reading import Reading
    from adavit.data.sampling import BatchSampler
    from adavit.data.split import Split, draw_evenly, split_counts, split_images
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "Channels": "adavit.data.channels",
            "load_images": "adavit.data.dataset",
            "Skipped": "adavit.data.files.members",
            "ImageSet": "adavit.data.image_set",
            "NAMES": "adavit.data.known_names",
            "images_to_float": "adavit.data.pixels",
            "images_to_uint8": "adavit.data.pixels",
            "Reading": "adavit.data.reading",
            "BatchSampler": "adavit.data.sampling",
            "Split": "adavit.data.split",
            "draw_evenly": "adavit.data.split",
            "split_counts": "adavit.data.split",
            "split_images": "adavit.data.split",
        },
    )
