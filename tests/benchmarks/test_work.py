import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from adavit.augment import AugmentPipe
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


def test_operations_on_lists_in_place_and_ours_count_and_questions_do_not() -> None:
    tensors = [torch.zeros(3), torch.zeros(5)]
    with WorkCount() as work:
        torch._foreach_add_(tensors, 1.0)
        _ = tensors[0].is_contiguous(), torch.promote_types(torch.float32, torch.bfloat16)
    assert (work.operations, work.bytes) == (1, 4 * (3 + 5))
    pipe = AugmentPipe(rotate=1)
    with WorkCount() as work:
        pipe(torch.zeros(2, 3, 8, 8))
    names = work.parts["everything else"].operations
    assert names["grid_sampler_2d"] == 1
    assert names["resample"] == names["sampling_grid"] == 0


def test_work_belongs_to_the_innermost_part() -> None:
    with WorkCount() as work:
        torch.zeros(1) + 1
        with work.within("outer"):
            torch.zeros(1)
            with work.within("inner"):
                torch.zeros(1).add_(1)
            torch.zeros(1)
    counts = {name: part.operations.total() for name, part in work.parts.items()}
    assert counts == {"everything else": 2, "outer": 2, "inner": 2}
    assert sum(part.bytes for part in work.parts.values()) == work.bytes
