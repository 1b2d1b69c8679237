import pytest
import torch
import torch.nn.functional as F

from adavit.features.heads import PatchHead, TokenHead


def normed(layer: torch.nn.Module) -> torch.Tensor:
    """The weight below the parametrisation, over its largest singular value."""
    weight = layer.parametrizations.weight.original
    return weight / torch.linalg.matrix_norm(weight.flatten(1), 2)


def test_logits_are_those_of_convolutions_of_spectral_norm_1() -> None:
    torch.manual_seed(0)
    head = PatchHead(5, 14, width=6, normalization="none", minibatch_std_group=0, num_classes=0)
    maps = torch.randn(3, 5, 14, 14)
    first, halving, within = head.layers
    expected = F.leaky_relu(F.conv2d(maps, normed(first), first.bias), 0.2)
    expected = F.leaky_relu(
        F.conv2d(expected, normed(halving), halving.bias, stride=2, padding=1), 0.2
    )
    expected = F.leaky_relu(F.conv2d(expected, normed(within), within.bias, padding=1), 0.2)
    expected = F.conv2d(expected, normed(head.readout.dense), head.readout.dense.bias)
    assert expected.shape == (3, 1, 4, 4)
    torch.testing.assert_close(head(maps, None), expected.flatten(1), rtol=1e-3, atol=1e-4)
    assert torch.equal(head(maps, None), head(maps, None))  # no pass leaves a trace


@pytest.mark.parametrize(("side", "places"), [(4, 1), (7, 16), (14, 16), (28, 16), (56, 16)])
def test_maps_of_any_size_are_judged_at_some_places(side: int, places: int) -> None:
    head = PatchHead(5, side, width=4, normalization="none", minibatch_std_group=0, num_classes=0)
    assert head(torch.randn(2, 5, side, side), None).shape == (2, places)


def test_labels_are_seen_by_projection() -> None:
    torch.manual_seed(0)
    head = PatchHead(
        5, 7, width=6, normalization="none", minibatch_std_group=0, num_classes=3
    ).eval()
    maps, labels = torch.randn(2, 5, 7, 7), torch.tensor([2, 0])
    within = maps
    for layer in head.layers:
        within = F.leaky_relu(layer(within), 0.2)
    vectors = head.readout.projection.embedding(labels)
    expected = torch.einsum("bchw,bc->bhw", head.readout.dense(within), vectors) / 6**0.5
    torch.testing.assert_close(head(maps, labels), expected.flatten(1))


def test_an_image_is_judged_whatever_stands_beside_it() -> None:
    head = PatchHead(
        5, 7, width=6, normalization="none", minibatch_std_group=0, num_classes=0
    ).eval()
    maps = torch.randn(4, 5, 7, 7)
    torch.testing.assert_close(head(maps, None)[1:2], head(maps[1:2], None))


def test_how_much_a_group_differs_is_one_more_channel_of_what_the_last_layer_reads() -> None:
    torch.manual_seed(0)
    head = PatchHead(
        5, 7, width=6, normalization="none", minibatch_std_group=2, num_classes=0
    ).eval()
    maps = torch.randn(4, 5, 7, 7)
    maps[2] = maps[0]  # images 0 and 2 are a group, and 1 and 3
    within = maps
    for layer in head.layers:
        within = F.leaky_relu(layer(within), 0.2)
    other = ((maps[1] - maps[3]) / 2).abs().mean()
    planes = torch.stack([torch.full((1, 7, 7), float(d)) for d in (0.0, other, 0.0, other)])
    expected = head.readout.dense(torch.cat([within, planes], dim=1))
    torch.testing.assert_close(head(maps, None), expected.flatten(1), rtol=1e-3, atol=2e-4)


def test_batch_normalization_gives_each_channel_of_a_pass_mean_0_and_variance_1() -> None:
    torch.manual_seed(0)
    head = PatchHead(
        5, 14, width=6, normalization="batch", minibatch_std_group=0, num_classes=0
    ).eval()
    maps = torch.randn(4, 5, 14, 14)
    first, halving, widest = head.layers
    within = F.leaky_relu(first(maps), 0.2)  # as it is
    for layer in (halving, widest):
        convolved = layer(within)
        mean = convolved.mean(dim=(0, 2, 3), keepdim=True)
        variance = convolved.var(dim=(0, 2, 3), keepdim=True, correction=0)
        within = F.leaky_relu((convolved - mean) / (variance + 1e-5).sqrt(), 0.2)
    expected = head.readout.dense(within).flatten(1)
    torch.testing.assert_close(head(maps, None), expected, rtol=1e-3, atol=1e-4)
    assert not any("running" in name for name in head.state_dict())


def test_a_token_is_judged_by_two_dense_layers() -> None:
    torch.manual_seed(0)
    head = TokenHead(5, num_classes=0)
    vectors = torch.randn(3, 5, 1, 1)
    hidden = vectors[:, :, 0, 0] @ head.hidden.weight.T + head.hidden.bias
    assert hidden.shape == (3, 256)
    expected = torch.where(hidden > 0, hidden, 0.2 * hidden) @ head.readout.dense.weight.T
    torch.testing.assert_close(head(vectors, None), expected + head.readout.dense.bias)


def test_a_token_is_judged_by_its_class_too() -> None:
    torch.manual_seed(0)
    head = TokenHead(5, num_classes=3)
    vectors, labels = torch.randn(2, 5, 1, 1), torch.tensor([2, 0])
    read = head.readout.dense(F.leaky_relu(head.hidden(vectors.flatten(1)), 0.2))
    classes = head.readout.projection.embedding(labels)
    expected = torch.einsum("bc,bc->b", read, classes) / 16
    torch.testing.assert_close(head(vectors, labels), expected[:, None])
