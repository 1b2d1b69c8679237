"""Images -> one uint8 array, class labels, the held-out part, batches in [-1, 1]."""

from adavit.data.channels import Channels
from adavit.data.dataset import load_images
from adavit.data.files.members import Skipped
from adavit.data.image_set import ImageSet
from adavit.data.named_sets import NAMES
from adavit.data.pixels import images_to_float, images_to_uint8
from adavit.data.sampling import BatchSampler
from adavit.data.split import Split, draw_evenly, split_images

__all__ = [
    "NAMES",
    "BatchSampler",
    "Channels",
    "ImageSet",
    "Skipped",
    "Split",
    "draw_evenly",
    "images_to_float",
    "images_to_uint8",
    "load_images",
    "split_images",
]
