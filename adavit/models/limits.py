"""Bounds of what networks can be built with, as data: the configuration is checked without torch."""

LARGEST_WIDTH = 1 << 16
"""Of latents, styles, channels and tokens in a run's settings; a dense layer of it holds 17 GB."""

MOST_LAYERS = 64
"""Layers or blocks of one kind in a run's settings."""

LR_MULTIPLIERS = (1e-5, 1e3)
"""Smallest and largest factor on a learning rate. Weights are drawn divided by it, and are to stay below what counts as
diverged: `adavit.training.soundness`."""
