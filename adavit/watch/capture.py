"""Captures an encoder's attention, and the tokens between its blocks, by hooks while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from adavit.models import ViTDiscriminator
from adavit.models.vit.attention import MultiHeadAttention
from adavit.models.vit.axial import AxialBlock
from adavit.models.vit.block import EncoderBlock
from adavit.models.vit.layout import TokenLayout


@dataclass(frozen=True)
class SeenAttention:
    """The logits and weights of one attention in one pass.

    Attributes:
        name: "block 2", or "block 2 rows" and "block 2 columns" of axial attention.
        direction: "all", "rows" or "columns": between which tokens it goes.
        logits: What softmax is given [B, L, heads, R, K]; L is the number of rows or columns of patches that are
            walked separately, 1 for attention between all. -inf where a token must not look.
        weights: What it makes of them, of the same shape; rows sum to 1.
        read: How many leading queries of each line the discriminator's logit depends on: all, but of the last
            attention only what is read out, which registers are not.
    """

    name: str
    direction: str
    logits: Tensor
    weights: Tensor
    read: int


@dataclass(frozen=True)
class Tokens:
    """The tokens between two blocks.

    Attributes:
        name: "embedding" or "block 2", what they come from.
        patches: Tokens of the patches [B, N, D].
        read: Whether the discriminator's logit depends on them.
    """

    name: str
    patches: Tensor
    read: bool


class Observer(Protocol):
    """Receives attention and tokens while a pass runs, so that T x T numbers of all blocks need not be kept."""

    def attention(self, seen: SeenAttention) -> None:
        """Told of every attention, in order."""

    def tokens(self, seen: Tokens) -> None:
        """Told of the tokens before the first block and after each."""


@torch.no_grad()
def observe(discriminator: ViTDiscriminator, images: Tensor, *observers: Observer) -> None:
    """Sends images through the encoder with exact attention, and passes attention and tokens to observers.

    All tokens are computed in all blocks: a discriminator that reads the class token alone leaves the
    others out of its last block. Nothing is changed or drawn.

    Args:
        discriminator: Whose encoder it is.
        images: Images [B, C, H, W] in [-1, 1].
        observers: Told in this order.
    """
    with _hooks(discriminator, observers):
        discriminator.encoder(images, twice_differentiable=True)


@contextmanager
def _hooks(discriminator: ViTDiscriminator, observers: tuple[Observer, ...]) -> Iterator[None]:
    encoder = discriminator.encoder
    layout, handles = encoder.layout, list[RemovableHandle]()

    def on_attention(name: str, direction: str, lines: int, read: int | None) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            logits, weights = (part.unflatten(0, (-1, lines)) for part in (inputs[0], output))
            asked = logits.shape[-2] if read is None else read
            for observer in observers:
                observer.attention(SeenAttention(name, direction, logits, weights, asked))

        return hook

    def on_tokens(name: str, read: bool) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            patches = output[:, layout.class_tokens : layout.class_tokens + layout.patches]
            for observer in observers:
                observer.tokens(Tokens(name, patches, read))

        return hook

    try:
        handles.append(encoder.position.register_forward_hook(on_tokens("embedding", True)))
        last = len(encoder.blocks)
        for number, block in enumerate(encoder.blocks, start=1):
            class_token_only = number == last and not discriminator.readout.patches
            for part, name, direction, lines in attentions_of(block, number, layout):
                read = None  # all: what an attention makes of any token, the next one looks at
                if number == last and direction != "rows":  # after rows come columns
                    in_line = 0 if class_token_only else layout.patches // lines
                    read = layout.class_tokens + in_line
                hook = on_attention(name, direction, lines, read)
                handles.append(part.softmax.register_forward_hook(hook))
            handles.append(
                block.register_forward_hook(on_tokens(f"block {number}", not class_token_only))
            )
        yield
    finally:
        for handle in handles:
            handle.remove()


def attentions_of(
    block: nn.Module, number: int, layout: TokenLayout
) -> list[tuple[MultiHeadAttention, str, str, int]]:
    """The attentions of a block, in order.

    Args:
        block: An encoder block, or an axial one.
        number: Which, from 1.
        layout: Of all tokens.

    Returns:
        Attention, its name, direction and number of lines, as in `SeenAttention`.
    """
    name = f"block {number}"
    if isinstance(block, AxialBlock):
        rows, columns = block.along_rows.attention, block.along_columns.attention
        return [
            (rows, f"{name} rows", "rows", layout.rows),
            (columns, f"{name} columns", "columns", layout.columns),
        ]
    assert isinstance(block, EncoderBlock)
    return [(block.attention, name, "all", 1)]
