"""StyleGAN2's networks as functions of a state by NVIDIA's names, from the papers' formulas and sample by sample.

Nothing of ours is in it but the slow operations beside it; nothing of NVIDIA's either.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.references.models import (
    downsampled_by_loops,
    filtered_by_loops,
    modulated_sample_by_sample,
    upsampled_by_zeros,
)

State = Mapping[str, Tensor]


def by_planes(function: object, images: Tensor) -> Tensor:
    """A function of one channel on all channels of images."""
    planes = [[function(plane.numpy()) for plane in image] for image in images]  # type: ignore[operator]
    return torch.from_numpy(np.array(planes)).float()


def activated(values: Tensor) -> Tensor:
    return F.leaky_relu(values, 0.2) * math.sqrt(2)


def dense(state: State, name: str, values: Tensor, rate: float = 1.0) -> Tensor:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return values @ (weight * rate / math.sqrt(weight.shape[1])).T + bias * rate


def unit(values: Tensor) -> Tensor:
    return values / (values.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()


def mapped(state: State, values: list[Tensor], labels: Tensor | None, rate: float) -> Tensor:
    if labels is not None:
        values = [*values, unit(dense(state, "mapping.embed", labels))]
    vectors, layer = torch.cat(values, dim=1), 0
    while f"mapping.fc{layer}.weight" in state:
        vectors = activated(dense(state, f"mapping.fc{layer}", vectors, rate))
        layer += 1
    return vectors


def generated(
    state: State,
    latents: Tensor,
    labels: Tensor | None = None,
    psi: float = 1.0,
    rate: float = 0.01,
) -> Tensor:
    """Images [B, C, R, R] with the constant noise, of latents [B, Z] and one-hot labels [B, C]."""
    w = mapped(state, [unit(latents)], labels, rate)
    w = state["mapping.w_avg"] + psi * (w - state["mapping.w_avg"])
    features = state["synthesis.b4.const"].expand(len(w), -1, -1, -1)
    images, side = torch.zeros(()), 4
    while f"synthesis.b{side}.torgb.weight" in state:
        block = f"synthesis.b{side}"
        for layer in ("conv0", "conv1"):
            if (name := f"{block}.{layer}") + ".weight" not in state:
                continue
            features = modulated_sample_by_sample(
                features,
                state[f"{name}.weight"],
                dense(state, f"{name}.affine", w),
                upsample=layer == "conv0",
            )
            noise = state[f"{name}.noise_const"] * state[f"{name}.noise_strength"]
            features = activated(features + noise + state[f"{name}.bias"][:, None, None])
        weight = state[f"{block}.torgb.weight"]
        styles = dense(state, f"{block}.torgb.affine", w) / math.sqrt(weight.shape[1])
        branch = F.conv2d(features * styles[:, :, None, None], weight)
        before = by_planes(upsampled_by_zeros, images) if side > 4 else images
        images = before + branch + state[f"{block}.torgb.bias"][:, None, None]
        side *= 2
    return images


def judged(
    state: State, images: Tensor, labels: Tensor | None = None, group: int = 4, rate: float = 0.01
) -> Tensor:
    """Logits [B] of images [B, C, R, R] with one-hot labels [B, C]; the group divides B."""

    def convolved(name: str, features: Tensor, *, down: bool = False) -> Tensor:
        weight = state[f"{name}.weight"]
        weight = weight / math.sqrt(weight[0].numel())
        if down:
            spread = by_planes(lambda plane: filtered_by_loops(plane, 2), features)
            result = F.conv2d(spread, weight, stride=2)
        else:
            result = F.conv2d(features, weight, padding=weight.shape[-1] // 2)
        return result + state[f"{name}.bias"][:, None, None]

    side = images.shape[-1]
    features = activated(convolved(f"b{side}.fromrgb", images))
    while side > 4:
        inner = activated(convolved(f"b{side}.conv0", features))
        inner = activated(convolved(f"b{side}.conv1", inner, down=True))
        if (skip := state.get(f"b{side}.skip.weight")) is not None:
            small = by_planes(downsampled_by_loops, features)
            inner = (inner + F.conv2d(small, skip / math.sqrt(skip.shape[1]))) / math.sqrt(2)
        features, side = inner, side // 2
    grouped = features.reshape(group, len(features) // group, -1)
    deviation = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=1).repeat(group)
    plane = deviation[:, None, None, None].expand(-1, 1, 4, 4)
    features = activated(convolved("b4.conv", torch.cat([features, plane], dim=1)))
    outputs = dense(state, "b4.out", activated(dense(state, "b4.fc", features.flatten(1))))
    if labels is None:
        return outputs[:, 0]
    vectors = mapped(state, [], labels, rate)
    return (outputs * vectors).sum(dim=1) / math.sqrt(outputs.shape[1])
