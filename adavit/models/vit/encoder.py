"""The vision transformer's encoder for images of any H x W that the patch divides (arXiv:2010.11929, section 3.1)."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from adavit.models.names import check_parts, part
from adavit.models.prepared_weights import Used, prepared
from adavit.models.sizes import check_at_least, check_images
from adavit.models.vit.axial import AxialBlock
from adavit.models.vit.block import EncoderBlock
from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.norm import LayerNorm
from adavit.models.vit.parts import ATTENTIONS, POSITIONS, STEMS
from adavit.runtime.patch import AnyPatch, Patch

# Standard deviation of the class token and the registers at the start.
TOKEN_STD = 0.02


class VisionEncoder(nn.Module):
    """Images to tokens: stem, class token, position embedding, blocks.

    The weights are those of `draw_weights`, which its owner calls once.

    Args:
        image_size: H and W of the images in pixels.
        image_channels: Channels of the images, >= 1.
        patch: Distance of the patches in pixels, as `Patch.of` takes it; must divide H and W.
        width: Features D of a token.
        depth: Blocks, >= 1.
        heads: Heads of the attention; must divide the width.
        mlp_ratio: Width of the hidden layers over D.
        layer_scale: Initial factor on the residual branches.
        stem: How images become tokens, a name in `parts.STEMS`.
        position_embedding: How tokens know their place, a name in `parts.POSITIONS`.
        attention: How tokens are mixed, a name in `parts.ATTENTIONS`.
        class_tokens: 1 for a class token, 0 for none.
        registers: Number of tokens beside class token and patches, which are never read.
        patch_drop: Part of the patches that is left out where `draw_kept` is asked, in [0, 1).

    Raises:
        ValueError: If a size is out of range or parts and sizes do not go together.
    """

    def __init__(
        self,
        *,
        image_size: tuple[int, int],
        image_channels: int,
        patch: AnyPatch,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float,
        layer_scale: float,
        stem: str,
        position_embedding: str,
        attention: str,
        class_tokens: int,
        registers: int,
        patch_drop: float,
    ) -> None:
        super().__init__()
        for name, value, minimum in (
            ("image_channels", image_channels, 1),
            ("width", width, 1),
            ("depth", depth, 1),
            ("heads", heads, 1),
            ("registers", registers, 0),
        ):
            check_at_least(name, value, minimum)
        self.patch = Patch.of(patch)
        self.patch.check_fills(image_size)
        stem_part = part(STEMS, "stem", stem)
        position = part(POSITIONS, "position_embedding", position_embedding)
        kind = part(ATTENTIONS, "attention", attention)
        check_parts(
            stem=stem,
            position_embedding=position_embedding,
            attention=attention,
            patch=self.patch,
            width=width,
            heads=heads,
            patch_drop=patch_drop,
        )
        self.image_size = image_size
        self.image_channels = image_channels
        self.patch_drop = patch_drop
        self.layout = TokenLayout(*self.patch.grid_of(image_size), class_tokens, registers)

        def block(layout: TokenLayout) -> EncoderBlock:
            return EncoderBlock(
                layout,
                width=width,
                heads=heads,
                mlp_ratio=mlp_ratio,
                layer_scale=layer_scale,
                score=kind.score,
                position=position.attention,
            )

        self.class_token = (
            nn.Parameter(torch.zeros(1, class_tokens, width)) if class_tokens else None
        )
        self.registers = nn.Parameter(torch.zeros(1, registers, width)) if registers else None
        self.position = position.tokens(self.layout, width)
        self.stem = stem_part(image_channels=image_channels, patch=self.patch, width=width)
        self.blocks = nn.ModuleList(
            AxialBlock(self.layout, block) if kind.axial else block(self.layout)
            for _ in range(depth)
        )
        self.norm = LayerNorm(width, eps=1e-6)

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        if self.class_token is not None:
            yield Used(self.class_token, 1.0, autocast=True)
        if self.registers is not None:  # which meet tokens that are in float32 already
            yield Used(self.registers, 1.0, autocast=False)

    def draw_weights(self) -> None:
        """Draws the weights: Xavier for dense layers, a small normal for embeddings.

        Convolutions and what parts learn besides have been drawn with the parts.
        """
        for trunk in (self.stem, self.blocks):
            for module in trunk.modules():
                if isinstance(module, nn.Linear):
                    nn.init.xavier_uniform_(module.weight)
                    nn.init.zeros_(module.bias)
        if self.class_token is not None:
            nn.init.trunc_normal_(self.class_token, std=TOKEN_STD)
        if self.registers is not None:
            nn.init.trunc_normal_(self.registers, std=TOKEN_STD)
        self.position.draw_weights()

    def draw_kept(self, batch: int, generator: torch.Generator) -> Tensor | None:
        """Draws which patches of each image are kept, for `kept` of any number of passes.

        Args:
            batch: Number of images B.
            generator: Source of the draw, on the device of the images.

        Returns:
            Numbers of patches [B, K], ascending, int64 in [0, N); None if `patch_drop` is 0.
        """
        if self.patch_drop == 0:
            return None
        patches = self.layout.patches
        kept = max(1, round((1 - self.patch_drop) * patches))
        order = torch.rand(batch, patches, generator=generator, device=generator.device)
        return order.argsort(dim=1)[:, :kept].sort(dim=1).values

    def embed(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to the tokens of their patches [B, N, D], row by row.

        Raises:
            ValueError: If the images are of another shape.
        """
        check_images(images, size=self.image_size, image_channels=self.image_channels)
        tokens: Tensor = self.stem(images)
        return tokens

    def encode(
        self,
        patches: Tensor,
        *,
        twice_differentiable: bool,
        kept: Tensor | None = None,
        class_token_only: bool = False,
    ) -> Tensor:
        """Encodes the tokens of patches.

        Args:
            patches: Tokens [B, N, D].
            twice_differentiable: Whether gradients of gradients will be taken; goes to every
                attention.
            kept: Numbers of the patches that are looked at [B, K], int64 in [0, N); None for all.
            class_token_only: Whether only the first token is returned. The last block then computes
                only this one: with one of 65 that saves 5/6 of the block.

        Returns:
            Class token and patches [B, class_tokens + K, D], or the class token [B, 1, D]; `norm`
            is left to the caller.
        """
        tokens, places, first = patches, None, self.layout.class_tokens
        if self.class_token is not None:
            head = prepared(self.class_token).expand(len(tokens), -1, -1).to(tokens.dtype)
            tokens = torch.cat([head, tokens], dim=1)
        tokens = self.position(tokens)
        if kept is not None:
            places = self.layout.with_others(kept)
            remaining = tokens[:, first:].take_along_dim(kept[:, :, None], dim=1)
            tokens = torch.cat([tokens[:, :first], remaining], dim=1)
        read = 1 if class_token_only else None
        if self.registers is not None:
            read = read or tokens.shape[1]
            tail = prepared(self.registers).expand(len(tokens), -1, -1).to(tokens.dtype)
            tokens = torch.cat([tokens, tail], dim=1)
        last = len(self.blocks) - 1
        for index, block in enumerate(self.blocks):
            tokens = block(
                tokens,
                twice_differentiable=twice_differentiable,
                read=read if index == last else None,
                places=places,
            )
        return tokens

    def forward(
        self,
        images: Tensor,
        *,
        twice_differentiable: bool,
        kept: Tensor | None = None,
        class_token_only: bool = False,
    ) -> Tensor:
        """Encodes images [B, C, H, W] in [-1, 1]; the rest is as in `encode`."""
        return self.encode(
            self.embed(images),
            twice_differentiable=twice_differentiable,
            kept=kept,
            class_token_only=class_token_only,
        )
