"""The pre-norm encoder of the vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929, equations 2 and 3)."""

from torch import Tensor, nn

from adavit.models.attention import LayerScale, MultiHeadAttention


class EncoderBlock(nn.Module):
    """Attention and a two-layer perceptron, each on normalised tokens, scaled and added to the tokens.

    Args:
        width: Features D of a token.
        heads: Heads of the attention.
        mlp_ratio: Width of the hidden layer over D.
        layer_scale: Initial factor on both branches.

    Raises:
        ValueError: If `heads` does not divide `width`, or the hidden layer would be empty.
    """

    def __init__(self, *, width: int, heads: int, mlp_ratio: float, layer_scale: float) -> None:
        super().__init__()
        hidden = round(width * mlp_ratio)
        if hidden < 1:
            raise ValueError(
                f"mlp_ratio is {mlp_ratio}, but mlp_ratio * width ({width}) must be at least 1. Use mlp_ratio=4."
            )
        self.attention_norm = nn.LayerNorm(width, eps=1e-6)
        self.attention = MultiHeadAttention(width=width, heads=heads)
        self.attention_scale = LayerScale(width, layer_scale)
        self.mlp_norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.mlp_scale = LayerScale(width, layer_scale)

    def forward(
        self, tokens: Tensor, *, twice_differentiable: bool, read: int | None = None
    ) -> Tensor:
        """Maps tokens [B, N, D] to the first `read` of them (None: all); the flag is attention's."""
        mixed = self.attention(
            self.attention_norm(tokens), twice_differentiable=twice_differentiable, read=read
        )
        tokens = tokens[:, :read] + self.attention_scale(mixed)
        output: Tensor = tokens + self.mlp_scale(self.mlp(self.mlp_norm(tokens)))
        return output


class Encoder(nn.Module):
    """A stack of encoder blocks.

    Args:
        depth: Number of blocks, >= 1.
        width: Features D of a token.
        heads: Heads of the attention.
        mlp_ratio: Width of the hidden layers over D.
        layer_scale: Initial factor on the residual branches.
    """

    def __init__(
        self, *, depth: int, width: int, heads: int, mlp_ratio: float, layer_scale: float
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            EncoderBlock(width=width, heads=heads, mlp_ratio=mlp_ratio, layer_scale=layer_scale)
            for _ in range(depth)
        )

    def forward(
        self, tokens: Tensor, *, twice_differentiable: bool, read: int | None = None
    ) -> Tensor:
        """Encodes tokens.

        Args:
            tokens: Tokens [B, N, D].
            twice_differentiable: Goes to every attention.
            read: How many leading tokens the caller will look at; None for all. The last block
                computes only these: with one of 65 that saves 5/6 of the block, and nothing changes
                in the result.

        Returns:
            Tokens [B, read, D].
        """
        last = len(self.blocks) - 1
        for index, block in enumerate(self.blocks):
            tokens = block(
                tokens,
                twice_differentiable=twice_differentiable,
                read=read if index == last else None,
            )
        return tokens
