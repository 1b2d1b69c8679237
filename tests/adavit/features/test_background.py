import torch

from adavit.features.background import draw_background, on_background, on_random_background


def test_alpha_is_laid_on_a_ground_of_its_own() -> None:
    images = torch.rand(2, 4, 3, 3) * 2 - 1
    drawn = torch.rand(2, 3, 1, 1, generator=torch.Generator().manual_seed(4)) * 2 - 1
    alpha = (images[:, 3:] + 1) / 2
    expected = alpha * images[:, :3] + (1 - alpha) * drawn
    found = on_random_background(images, torch.Generator().manual_seed(4))
    torch.testing.assert_close(found, expected)
    assert torch.equal(draw_background(2, torch.Generator().manual_seed(4)), drawn)


def test_without_a_colour_the_ground_is_grey_and_without_alpha_there_is_none() -> None:
    images = torch.rand(2, 4, 3, 3) * 2 - 1
    torch.testing.assert_close(on_background(images, None), images[:, :3] * (images[:, 3:] + 1) / 2)
    stream = torch.Generator().manual_seed(4)
    before = stream.get_state()
    assert on_random_background(images[:, :3], stream).data_ptr() == images.data_ptr()
    assert torch.equal(stream.get_state(), before)
