"""Lanczos resizing in float64, written from its definition; slow, and shares nothing with Pillow."""

import numpy as np


def lanczos_weights(size: int, resolution: int) -> np.ndarray:
    """Weights [resolution, size]; support 3, widened by the scale when shrinking; rows sum to 1."""
    scale = size / resolution
    width = max(scale, 1.0)
    centres = (np.arange(resolution) + 0.5) * scale
    positions = np.arange(size) + 0.5
    offsets = (positions[None, :] - centres[:, None]) / width
    weights = np.where(np.abs(offsets) < 3.0, np.sinc(offsets) * np.sinc(offsets / 3.0), 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def lanczos(plane: np.ndarray, resolution: int) -> np.ndarray:
    """Resize a square plane [S, S] to [R, R], without rounding or clamping."""
    weights = lanczos_weights(plane.shape[0], resolution)
    return weights @ plane.astype(np.float64) @ weights.T


def lanczos_rgba(pixels: np.ndarray, resolution: int) -> np.ndarray:
    """Resize [S, S, 4] in 0..255 with colour multiplied by alpha; straight again, float64 [4, R, R]."""
    alpha = pixels[..., 3].astype(np.float64) / 255.0
    small_alpha = lanczos(alpha, resolution)
    colour = [lanczos(pixels[..., channel] * alpha, resolution) for channel in range(3)]
    seen = np.rint(small_alpha * 255.0) > 0
    straight = [np.where(seen, plane / np.where(seen, small_alpha, 1.0), 0.0) for plane in colour]
    return np.stack(
        [*(plane.clip(0.0, 255.0) for plane in straight), (small_alpha * 255.0).clip(0.0, 255.0)]
    )
