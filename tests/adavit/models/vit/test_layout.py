import torch

from adavit.models.vit.layout import TokenLayout


def test_tokens_are_class_patches_and_registers_in_this_order() -> None:
    layout = TokenLayout(rows=2, columns=3, class_tokens=1, registers=2)
    assert (layout.patches, layout.count) == (6, 9)
    kept = torch.tensor([[0, 5], [3, 1]])
    assert layout.with_others(kept).tolist() == [[0, 1, 6, 7, 8], [0, 4, 2, 7, 8]]


def test_patches_alone_keep_their_numbers() -> None:
    kept = torch.tensor([[1, 2]])
    assert TokenLayout(rows=2, columns=2).with_others(kept).tolist() == [[1, 2]]
