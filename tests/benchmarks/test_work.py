import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.work import WorkCount


def test_a_product_counts_its_sums_and_the_bytes_of_its_three_matrices() -> None:
    left, right = torch.randn(3, 5), torch.randn(5, 7)
    with WorkCount() as work:
        left @ right
    assert (work.operations, work.flops) == (1, 2 * 3 * 5 * 7)
    assert work.bytes == 4 * (3 * 5 + 5 * 7 + 3 * 7)


def test_views_and_empty_tensors_are_no_work() -> None:
    images = torch.randn(2, 3, 4, 4)
    with WorkCount() as work:
        images.view(2, 48).t().expand(3, 48, 2)[0].detach()
        torch.empty_like(images)
    assert (work.operations, work.flops, work.bytes) == (0, 0, 0)


def test_one_number_that_stands_for_many_is_read_once() -> None:
    one, many = torch.zeros(1), torch.zeros(100)
    with WorkCount() as work:
        one.expand(100) + many
    assert work.bytes == 4 * (1 + 100 + 100)


def test_products_of_second_derivatives_are_those_of_torchs_counter() -> None:
    def second_derivative() -> None:
        images, weight = torch.randn(2, 3, 8, 8, requires_grad=True), torch.randn(4, 3, 3, 3)
        loss = F.conv2d(images, weight, padding=1).square().sum()
        (slope,) = torch.autograd.grad(loss, images, create_graph=True)
        slope.sum().backward()

    with FlopCounterMode(display=False) as reference:
        second_derivative()
    with WorkCount() as work:
        second_derivative()
    assert work.flops == reference.get_total_flops() >= 4 * 2 * 2 * 8 * 8 * 4 * 3 * 9
