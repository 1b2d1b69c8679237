"""What a discriminator looks at: attention, positions, patches, logits and saliency.

record = inspect("runs/00000-small_set-vit-bgc")
"""

from adavit.inspection.inspection import inspect
from adavit.inspection.summary import summarise_inspection

__all__ = ["inspect", "summarise_inspection"]
