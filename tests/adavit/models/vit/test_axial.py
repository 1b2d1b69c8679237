"""Axial attention."""

import torch

from adavit.models.vit.axial import AxialBlock
from adavit.models.vit.layout import TokenLayout
from tests.adavit.models.vit.test_attention import block


def test_axial_attention_walks_the_rows_and_then_the_columns() -> None:
    torch.manual_seed(0)
    axial = AxialBlock(TokenLayout(2, 3, class_tokens=1, registers=1), block)
    tokens = torch.randn(2, 8, 12)
    for sample in range(2):
        head, grid, tail = (
            tokens[sample, :1],
            tokens[sample, 1:7].view(2, 3, 12),
            tokens[sample, 7:],
        )
        for part, dim in ((axial.along_rows, 0), (axial.along_columns, 1)):
            lines = [
                part(torch.cat([head, line, tail])[None], twice_differentiable=True)[0]
                for line in grid.unbind(dim)
            ]
            head = torch.stack([line[:1] for line in lines]).mean(dim=0)
            tail = torch.stack([line[-1:] for line in lines]).mean(dim=0)
            grid = torch.stack([line[1:-1] for line in lines], dim=dim)
        expected = torch.cat([head, grid.flatten(0, 1), tail])
        result = axial(tokens, twice_differentiable=False)[sample]
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)
    assert axial(tokens, twice_differentiable=False, read=1).shape == (2, 1, 12)
