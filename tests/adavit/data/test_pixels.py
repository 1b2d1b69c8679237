import torch

from adavit.data.pixels import images_to_float, images_to_uint8


def test_bytes_map_to_minus_one_and_one() -> None:
    values = images_to_float(torch.tensor([0, 255], dtype=torch.uint8))
    assert values.dtype == torch.float32
    assert values.tolist() == [-1.0, 1.0]


def test_every_byte_comes_back() -> None:
    values = torch.arange(256).to(torch.uint8)
    assert torch.equal(images_to_uint8(images_to_float(values)), values)


def test_values_outside_are_clamped_and_others_rounded_to_nearest() -> None:
    values = torch.tensor([-7.0, 7.0, 0.0, 1 / 127.5 * 0.9])
    # 0 lies half-way between 127 and 128; torch rounds to even.
    assert images_to_uint8(values).tolist() == [0, 255, 128, 128]


def test_half_precision_is_converted_before_the_arithmetic() -> None:
    values = images_to_float(torch.arange(256).to(torch.uint8))
    exact = images_to_uint8(values.to(torch.bfloat16).to(torch.float32))
    assert torch.equal(images_to_uint8(values.to(torch.bfloat16)), exact)
