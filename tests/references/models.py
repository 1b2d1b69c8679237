"""Slow forms of the networks' operations, from the papers' equations, sample by sample."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BINOMIAL = np.array([1.0, 3.0, 3.0, 1.0]) / 8


def filtered_by_loops(image: np.ndarray, padding: int, gain: float = 1.0) -> np.ndarray:
    """Filters one channel [H, W] with (1, 3, 3, 1) x (1, 3, 3, 1) / 64 after padding with zeros."""
    kernel = gain * np.outer(BINOMIAL, BINOMIAL)
    padded = np.pad(image, padding)
    height, width = padded.shape[0] - 3, padded.shape[1] - 3
    result = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            result[row, column] = (padded[row : row + 4, column : column + 4] * kernel).sum()
    return result


def with_zeros_inserted(image: np.ndarray) -> np.ndarray:
    """Puts a zero after every pixel of [H, W], in both directions: [2 H, 2 W]."""
    result = np.zeros((2 * image.shape[0], 2 * image.shape[1]))
    result[::2, ::2] = image
    return result


def upsampled_by_zeros(image: np.ndarray) -> np.ndarray:
    """Zero insertion and filtering with gain 4, [H, W] to [2 H, 2 W]."""
    # 2 zeros before and 1 after, of which the last inserted zero is the one already there.
    return filtered_by_loops(np.pad(with_zeros_inserted(image), ((2, 1), (2, 1))), 0, gain=4.0)


def downsampled_by_loops(image: np.ndarray) -> np.ndarray:
    """Filtering and keeping every second pixel, [H, W] to [H / 2, W / 2]."""
    return filtered_by_loops(image, padding=1)[::2, ::2]


def modulated_sample_by_sample(
    features: Tensor, weight: Tensor, styles: Tensor, *, upsample: bool, epsilon: float = 1e-8
) -> Tensor:
    """Equations 1 and 3 of Karras et al. 2020 with the kernels of each sample scaled one by one."""
    results = []
    for sample, style in zip(features, styles, strict=True):
        scaled = weight * style[None, :, None, None]
        norm = (scaled.square().sum(dim=(1, 2, 3), keepdim=True) + epsilon).sqrt()
        kernel = scaled / norm
        if upsample:
            # A picture with zeros inserted, convolved in the mathematical sense (flipped kernel).
            planes = [torch.from_numpy(with_zeros_inserted(plane.numpy())) for plane in sample]
            spread = torch.stack(planes)[None].to(weight.dtype)
            output = F.conv2d(spread, kernel.flip(2, 3), padding=2)[:, :, :-1, :-1]
            padded = [filtered_by_loops(plane.numpy(), 1, gain=4.0) for plane in output[0]]
            results.append(torch.from_numpy(np.stack(padded)).to(weight.dtype))
        else:
            results.append(F.conv2d(sample[None], kernel, padding=1)[0])
    return torch.stack(results)


def attention_by_loops(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Softmax attention of one head, [N, d] each, query by query."""
    queries, keys, values = queries.detach(), keys.detach(), values.detach()
    result = torch.zeros_like(values)
    for index, query in enumerate(queries):
        logits = torch.tensor([float(query @ key) for key in keys], dtype=values.dtype)
        weights = torch.exp(logits / queries.shape[1] ** 0.5)
        weights = weights / weights.sum()
        result[index] = sum(w * v for w, v in zip(weights, values, strict=True))
    return result


def normalised_head(vectors: Tensor, gain: Tensor) -> Tensor:
    """RMS normalisation of each row of [N, d], with a gain [d]."""
    return vectors / (vectors.square().mean(dim=1, keepdim=True) + 1e-6).sqrt() * gain


def minibatch_std_by_loops(features: np.ndarray, group: int) -> np.ndarray:
    """Mean over features of the deviation over samples i, i + M, i + 2 M, ... with M = B / group."""
    batch = features.shape[0]
    stride = batch // group
    result = np.zeros(batch)
    for sample in range(batch):
        members = features[sample % stride :: stride].reshape(group, -1)
        result[sample] = np.sqrt(members.var(axis=0) + 1e-8).mean()
    return result


def l2_attention_by_loops(shared: Tensor, values: Tensor) -> Tensor:
    """Attention by negative squared distances of one head, tied [N, d] and values [N, d]."""
    result = torch.zeros_like(values)
    for index, query in enumerate(shared):
        logits = -torch.stack([(query - key).square().sum() for key in shared])
        weights = (logits / shared.shape[1] ** 0.5).exp()
        result[index] = (weights / weights.sum()) @ values
    return result


def locality_attention_by_loops(
    queries: Tensor, keys: Tensor, values: Tensor, temperature: float
) -> Tensor:
    """Attention of one head [N, d] in which no token looks at itself."""
    result = torch.zeros_like(values)
    for index, query in enumerate(queries):
        others = [other for other in range(len(keys)) if other != index]
        weights = torch.stack([(query @ keys[other] / temperature).exp() for other in others])
        result[index] = (weights / weights.sum()) @ values[others]
    return result


def relative_bias_by_loops(table: Tensor, rows: int, columns: int) -> Tensor:
    """Bias [heads, N, N] from a table [heads, 2 rows - 1, 2 columns - 1], patch by patch."""
    places = [(row, column) for row in range(rows) for column in range(columns)]
    bias = torch.zeros(len(table), len(places), len(places))
    for i, (row, column) in enumerate(places):
        for j, (other_row, other_column) in enumerate(places):
            bias[:, i, j] = table[
                :, row - other_row + rows - 1, column - other_column + columns - 1
            ]
    return bias
