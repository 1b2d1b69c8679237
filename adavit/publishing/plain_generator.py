"""A generator file of adavit, drawn from with torch and safetensors alone: StyleGAN2 (arXiv:1912.04958), fixed noise.

It has nothing that only training needs: other formats are made of it, and a model card shows it as it is.
"""

import json
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

Weights = dict[str, Tensor]
Sizes = dict[str, Any]


def read(path: str) -> tuple[Weights, Sizes]:
    """The tensors of a file by name, with the filter of all resampling, and the sizes of its network."""
    with safe_open(path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}
        return with_taps(weights), json.loads(file.metadata()["generator"])


def with_taps(weights: Weights) -> Weights:
    """The tensors of a generator by name, with the filter of all resampling."""
    return {**weights, "synthesis.taps": torch.tensor([0.25, 0.75, 0.75, 0.25])}


def draw(
    weights: Weights,
    sizes: Sizes,
    latents: Tensor,
    labels: Tensor | None = None,
    truncation: Tensor | float = 1.0,
) -> Tensor:
    """Latents [B, Z], and class numbers [B] if there are classes, to images [B, C, H, W], about [-1, 1]."""
    return synthesis(weights, sizes, mapping(weights, sizes, latents, labels, truncation))


def mapping(
    weights: Weights,
    sizes: Sizes,
    latents: Tensor,
    labels: Tensor | None = None,
    truncation: Tensor | float = 1.0,
) -> Tensor:
    """Latents, and class numbers, to the style w of each layer [B, L, W]."""
    x = normalised(latents)
    if labels is not None:
        of_class = weights["mapping.embedding.weight"][labels] * sizes["num_classes"] ** -0.5
        x = torch.cat([x, normalised(of_class + weights["mapping.embedding.bias"])], dim=1)
    for i in range(sizes["mapping_layers"]):
        x = activated(dense(weights, f"mapping.layers.{i}", x, sizes["mapping_lr_multiplier"]))
    w = torch.lerp(weights["w_average"], x, truncation)
    return w[:, None].repeat(1, 2 * blocks(sizes), 1)


def synthesis(weights: Weights, sizes: Sizes, w: Tensor) -> Tensor:
    """The style of each layer to images."""
    x, images, layer = weights["synthesis.constant"].expand(w.shape[0], -1, -1, -1), None, 0
    for k in range(blocks(sizes)):
        for j in range(2 if k else 1):
            name = f"synthesis.blocks.{k}.convolutions.{j}"
            x = convolution(weights, sizes, name, x, w[:, layer], doubled=k > 0 and j == 0)
            layer += 1
        name = f"synthesis.blocks.{k}.to_image"
        kernel = weights[f"{name}.weight"][:, :, None, None]
        part = F.conv2d(x * styles(weights, name, w[:, layer], kernel), kernel)
        part = part + weights[f"{name}.bias"][:, None, None]
        images = (
            part
            if images is None
            else part + filtered(weights, images, F.conv_transpose2d, stride=2)
        )
    assert images is not None
    return images


def convolution(
    weights: Weights, sizes: Sizes, name: str, x: Tensor, w: Tensor, *, doubled: bool
) -> Tensor:
    """A modulated convolution: styles scale what goes in, their demodulation what comes out."""
    kernel = weights[f"{name}.weight"]
    style = styles(weights, name, w, kernel)
    energy = style[:, :, 0, 0].square() @ kernel.square().sum(dim=(2, 3)).t()
    if doubled:
        larger = F.conv_transpose2d(x * style, kernel.transpose(0, 1), stride=2)
        x = filtered(weights, larger, F.conv2d)
    else:
        x = F.conv2d(x * style, kernel, padding=1)
    x = x * (energy + 1e-8).rsqrt()[:, :, None, None] + weights[f"{name}.bias"][:, None, None]
    if sizes["noise"] != "none":
        strength = weights[f"{name}.noise.strength"]
        if sizes["noise"] == "bounded":
            strength = 0.1 * torch.tanh(strength / 0.1)
        x = x + strength * weights[f"{name}.noise.fixed"]
    return activated(x)


def styles(weights: Weights, name: str, w: Tensor, kernel: Tensor) -> Tensor:
    """What a style multiplies the channels of a layer by [B, C, 1, 1]."""
    return dense(weights, f"{name}.affine", w)[:, :, None, None] * kernel[0].numel() ** -0.5


def dense(weights: Weights, name: str, x: Tensor, rate: float = 1.0) -> Tensor:
    """A dense layer with equalised learning rate."""
    weight = weights[f"{name}.weight"]
    return F.linear(x, weight * (rate * weight.shape[1] ** -0.5), weights[f"{name}.bias"] * rate)


def filtered(weights: Weights, x: Tensor, convolve: Callable[..., Tensor], **how: int) -> Tensor:
    """The filter (1, 3, 3, 1) in both directions, with gain 4."""
    taps = weights["synthesis.taps"]
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 4, 4)
    return convolve(x, kernel, padding=1, groups=x.shape[1], **how)


def normalised(x: Tensor) -> Tensor:
    """Vectors scaled to mean square 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def activated(x: Tensor) -> Tensor:
    """A leaky ReLU that keeps the variance."""
    return F.leaky_relu(x, 0.2) * 2**0.5


def blocks(sizes: Sizes) -> int:
    """One for each grid, from the one whose sides are at most 7 up."""
    larger = max(int(side) for side in str(sizes["resolution"]).split("x"))
    return next(k for k in range(1, 99) if larger >> k - 1 <= 7)
