import torch
import torch.nn.functional as F

from adavit.features.mixing import ChannelMixing, ScaleMixing

CHANNELS = (3, 5, 7)


def maps() -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [
        torch.randn(2, count, side, side) for count, side in zip(CHANNELS, (14, 7, 3), strict=True)
    ]


def test_channels_are_mixed_within_each_map() -> None:
    mixing = ChannelMixing(CHANNELS)
    for mix, before, after in zip(mixing.mixed, maps(), mixing(maps()), strict=True):
        expected = torch.einsum("oc,bchw->bohw", mix.weight[:, :, 0, 0], before)
        torch.testing.assert_close(after, expected + mix.bias[:, None, None])
    assert mixing.channels == (64, 128, 256)


def test_scales_are_added_from_coarse_to_fine() -> None:
    mixing = ScaleMixing(CHANNELS)
    f1, f2, f3 = mixing.within(maps())
    c1, c2, c3 = mixing.across

    def up(features: torch.Tensor, side: int) -> torch.Tensor:
        return F.interpolate(features, size=(side, side), mode="bilinear", align_corners=False)

    y3 = c3(f3)
    y2 = c2(up(y3, 7) + f2)
    y1 = c1(up(y2, 14) + f1)
    for found, expected in zip(mixing(maps()), (y1, y2, y3), strict=True):
        torch.testing.assert_close(found, expected)
    assert tuple(features.shape[1] for features in (y1, y2, y3)) == mixing.channels == (64, 64, 128)


def test_what_is_drawn_stays_and_is_kept() -> None:
    for mixing in (ChannelMixing(CHANNELS), ScaleMixing(CHANNELS)):
        assert not any(parameter.requires_grad for parameter in mixing.parameters())
        assert mixing.state_dict()
