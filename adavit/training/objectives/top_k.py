"""Top-k training: the generator learns from its better images only.

Sinha et al. 2020, "Top-k Training of GANs" (arXiv:2002.06224, section 3).
"""

import math

from torch import Tensor

DECAY_PER_EPOCH = 0.99
"""Factor on k at each epoch, of the paper's section 4."""


class TopK:
    """Keeps the losses of the k images that the discriminator holds for the most real.

    k falls from the whole batch by 1% at each epoch, down to a part of it. The batch is the
    microbatch where there are such.

    Args:
        smallest_part: nu, the part of the batch that k ends at, in (0, 1]; 0.5 in the paper for small batches.
        epoch_images: Real images of an epoch.
    """

    def __init__(self, smallest_part: float, epoch_images: int) -> None:
        self.smallest_part = smallest_part
        self.epoch_images = epoch_images

    def count(self, batch: int, images: int) -> int:
        """K for a batch of this size after so many real images, in [1, batch]."""
        part = max(self.smallest_part, DECAY_PER_EPOCH ** (images // self.epoch_images))
        return max(1, math.ceil(part * batch))

    def __call__(self, losses: Tensor, logits: Tensor, images: int) -> Tensor:
        """Those of the generator's losses [B] that belong to the k largest logits [B]: [k]."""
        return losses[logits.detach().topk(self.count(len(logits), images)).indices]
