"""Diagnoses of a generator trained on few images: copies of training images, augmentations that leak.

    record = memorisation("runs/00000-small_set-resnet-bgc")
    record = leaks("runs/00000-small_set-resnet-bgc")

Both compare generated images with real ones, carry their protocol, and are no scores: each says what it cannot tell.
"""

from adavit.diagnostics.leaks import leaks
from adavit.diagnostics.memorisation import memorisation
from adavit.diagnostics.summaries import summarise_leaks, summarise_memorisation

__all__ = ["leaks", "memorisation", "summarise_leaks", "summarise_memorisation"]
