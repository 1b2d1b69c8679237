"""Small drawn photographs-of-sorts for the tests of metrics: a coloured object on a shaded background."""

import numpy as np


def drawn_images(count: int, seed: int, kind: str = "disc", side: int = 32) -> np.ndarray:
    """Images of one kind of object in varied colour, place, size and light.

    Args:
        count: Number of images.
        seed: Of the random draws.
        kind: "disc" or "cross".
        side: Height and width in pixels.

    Returns:
        Images [count, 3, side, side], uint8.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    images = np.empty((count, 3, side, side), dtype=np.uint8)
    for image in images:
        center_y, center_x = rng.uniform(0.3, 0.7, 2)
        radius = rng.uniform(0.15, 0.3)
        if kind == "disc":
            mask = (y - center_y) ** 2 + (x - center_x) ** 2 < radius**2
        else:
            mask = np.minimum(np.abs(y - center_y), np.abs(x - center_x)) < radius / 3
        shade = rng.uniform(-0.4, 0.4) * x + rng.uniform(-0.4, 0.4) * y
        # Warm objects on cold backgrounds, so that exchanged channels are another distribution.
        object_color = np.array([rng.uniform(0.6, 1), rng.uniform(0.2, 0.7), rng.uniform(0, 0.3)])
        ground_color = np.array([rng.uniform(0, 0.3), rng.uniform(0.2, 0.6), rng.uniform(0.4, 1)])
        colors = np.where(mask, object_color[:, None, None], ground_color[:, None, None])
        grain = rng.normal(0, 0.02, (3, side, side))
        image[:] = np.clip((colors + shade + grain) * 255, 0, 255).astype(np.uint8)
    return images
