"""CHAIN against its formula, written out."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.models import ResNetDiscriminator
from adavit.models.names import SIDES
from adavit.models.resnet.chain import Chain, ChainConv2d, ChainPass, measured_names, relative_size
from tests.networks import make_resnet

SIZES = {"resolution": 8, "channel_base": 64, "channel_max": 8}


def made(p: float = 0.5, **changes: object) -> ResNetDiscriminator:
    torch.manual_seed(0)
    network = make_resnet(**{**SIZES, **changes}, normalization="chain")
    chain_of(network).p.fill_(p)
    with torch.no_grad():
        for name, bias in network.named_parameters():
            if name.endswith("bias"):  # 0 at the start: features would have no means
                bias.normal_()
    return network


def chain_of(network: ResNetDiscriminator) -> Chain:
    assert network.chain is not None
    return network.chain


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(seed: int = 1) -> Tensor:
    return torch.rand(5, 3, 8, 8, generator=generator(seed)) * 2 - 1


def at_fixed_norm(weight: Tensor) -> Tensor:
    """A weight with the largest singular value that random ones of its shape have."""
    outputs, inputs = weight.flatten(1).shape
    return weight / torch.linalg.svdvals(weight.flatten(1))[0] * (1 + (outputs / inputs) ** 0.5)


class Written:
    """The residual form with CHAIN, from the weights of a network and the gates of a pass, in float64.

    Attributes:
        psi_squares: For each convolution the squares [C] that the moving averages take in.
        means: For each convolution E[x] [C].
    """

    def __init__(self, network: ResNetDiscriminator, seen: list[Tensor] | None = None) -> None:
        self.state = {name: tensor.double() for name, tensor in network.state_dict().items()}
        self.seen = seen
        self.psi_squares: list[Tensor] = []
        self.means: list[Tensor] = []

    def convolution(self, name: str, x: Tensor, gates: Tensor, *, down: bool) -> Tensor:
        w, bias = self.state[f"{name}.weight"], self.state.get(f"{name}.bias")
        w = at_fixed_norm(w)
        if down:
            taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
            kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 4, 4)
            pad = 1 + w.shape[-1] // 2
            x = F.conv2d(F.pad(x, [pad] * 4), kernel, groups=x.shape[1])
            x = F.conv2d(x, w, bias, stride=2)
        else:
            x = F.conv2d(x, w, bias, padding=w.shape[-1] // 2)
        square = x.pow(2).mean(dim=[0, 2, 3])
        before = None if self.seen is None else self.seen[len(self.means)]
        self.means.append(x.mean(dim=[0, 2, 3]))
        self.psi_squares.append(square)
        average = square if before is None else before
        psi = torch.sqrt(average + 1e-5)
        normalised = x * psi.min() / psi[:, None, None]
        return torch.where(gates[:, :, None, None], normalised, x)

    def __call__(self, images: Tensor, gates: list[Tensor]) -> Tensor:
        def act(x: Tensor) -> Tensor:
            return 2**0.5 * F.leaky_relu(x, 0.2)

        left = list(gates)
        x = act(self.convolution("from_image", images.double(), left.pop(0), down=False))
        main = act(self.convolution("blocks.0.first", x, left.pop(0), down=False))
        main = act(self.convolution("blocks.0.second", main, left.pop(0), down=True))
        skip = self.convolution("blocks.0.skip", x, left.pop(0), down=True)
        x = act(
            self.convolution(
                "epilogue.convolution", (main + skip) / 2**0.5, left.pop(0), down=False
            )
        )
        assert not left
        weight, bias = self.state["epilogue.dense.weight"], self.state["epilogue.dense.bias"]
        x = act(x.flatten(1) @ weight.T / weight.shape[1] ** 0.5 + bias)
        weight, bias = self.state["head.dense.weight"], self.state["head.dense.bias"]
        return (x @ weight.T / weight.shape[1] ** 0.5 + bias).squeeze(1)


def test_a_pass_is_the_formula_of_the_paper() -> None:
    network = made(minibatch_std_group=0)
    chain_pass = chain_of(network).draw(5, "real", generator())
    logits = network(pictures(), chain_pass=chain_pass)
    written = Written(network)  # at the first step the averages are those of the batch
    torch.testing.assert_close(
        logits.double(), written(pictures(), list(chain_pass.gates)), rtol=1e-4, atol=1e-5
    )
    for moments, mean, square in zip(
        chain_pass.moments, written.means, written.psi_squares, strict=True
    ):
        torch.testing.assert_close(moments.means.double(), mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(moments.squares.double(), square, rtol=1e-4, atol=1e-5)


def test_later_passes_go_by_a_moving_average_of_their_own_side() -> None:
    network = made(p=1, minibatch_std_group=0)
    chain = chain_of(network)
    expected: dict[str, list[Tensor]] = {}
    for step in range(3):
        squares = {}
        for side in SIDES:
            images = pictures(10 * step + SIDES.index(side)) * (1 + step)
            made_pass = chain.draw(5, side, generator())
            logits = network(images, chain_pass=made_pass)
            news = [moments.squares.double() for moments in made_pass.moments]
            squares[side] = [moments.squares for moments in made_pass.moments]
            # Weights .9^2, .9, 1 of the steps, that sum to 1.
            share = 0.1 / (1 - 0.9 ** (step + 1))
            old = expected.get(side, news)
            averages = [(1 - share) * a + share * b for a, b in zip(old, news, strict=True)]
            written = Written(network, averages)
            torch.testing.assert_close(
                logits.double(), written(images, list(made_pass.gates)), rtol=1e-4, atol=1e-4
            )
            expected[side] = averages
        chain.remember(squares, torch.tensor(True))
    real, generated = (torch.cat(expected[side]) for side in SIDES)
    assert not torch.allclose(real, generated, rtol=0.01)
    kept = [layer.squares for layer in network.modules() if isinstance(layer, ChainConv2d)]
    stored = torch.cat(kept, dim=1)
    torch.testing.assert_close(stored.double(), torch.stack([real, generated]), rtol=1e-4, atol=0)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_channels_of_images_are_normalised_with_probability_p(p: float) -> None:
    drawn = chain_of(made(p)).draw(2000, "generated", generator())
    gates = torch.cat(list(drawn.gates), dim=1).float()
    assert drawn.side == "generated"
    assert [gate.shape[1] for gate in drawn.gates] == [8, 8, 8, 8, 8]
    assert gates.mean().item() == pytest.approx(p, abs=0.01)
    # Each for itself: the means of images and of channels spread as those of coins do.
    coin = (p * (1 - p)) ** 0.5
    assert gates.mean(dim=1).std().item() == pytest.approx(coin / 40**0.5, abs=0.005)
    assert gates.mean(dim=0).std().item() < 2 * coin / 2000**0.5 + 1e-9


def test_the_weights_and_their_names_are_those_without() -> None:
    torch.manual_seed(0)
    plain = make_resnet(**SIZES)
    torch.manual_seed(0)
    network = make_resnet(**SIZES, normalization="chain")
    own = dict(network.named_parameters())
    assert own.keys() == dict(plain.named_parameters()).keys()
    assert all(torch.equal(own[name], value) for name, value in plain.named_parameters())
    further = network.state_dict().keys() - plain.state_dict().keys()
    assert all(name.endswith((".squares", "chain.p", "chain.updates")) for name in further)


def test_outside_of_training_a_pass_is_the_expectation_and_leaves_no_trace() -> None:
    network, images = made(p=0.4, minibatch_std_group=0), pictures()
    chain = chain_of(network)
    layer = network.from_image
    assert isinstance(layer, ChainConv2d)
    seen = {side: [] for side in SIDES}
    for side in SIDES:
        first = chain.draw(5, side, generator())
        network(images if side == "real" else -images.square(), chain_pass=first)
        seen[side] = [moments.squares for moments in first.moments]
    chain.remember(seen, torch.tensor(True))
    before = copy.deepcopy(network.state_dict())
    spoilt = {side: [square * torch.nan for square in squares] for side, squares in seen.items()}
    chain.remember(spoilt, torch.tensor(False))  # of a step that was not made
    assert torch.equal(network(images), network(images))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    # Of one layer: the mean over many draws, before the activation.
    layer.activation = False
    with chain.during(None):
        expected = layer(images)
    total = torch.zeros_like(expected)
    for seed in range(400):
        fixed = ChainPass("real", chain.draw(5, "real", generator(seed)).gates, torch.zeros(()))
        with chain.during(fixed):
            total += layer(images)
    torch.testing.assert_close(total / 400, expected, rtol=0.2, atol=0.1)
    raw = layer.convolve(images, at_fixed_norm(layer.weight), layer.bias)
    part = 0.6 + 0.4 * relative_size(seen["real"][0])
    torch.testing.assert_close(expected, raw * part[:, None, None] * 2**0.5, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("sizes", [(64, 64, 3), (4, 64, 1), (64, 32, 1), (24, 48, 3)])
def test_the_norm_is_the_one_that_weights_are_drawn_with(sizes: tuple[int, int, int]) -> None:
    torch.manual_seed(2)
    layer = ChainConv2d(*sizes)
    drawn = layer.weight.flatten(1) / layer.weight[0].numel() ** 0.5
    assert torch.linalg.svdvals(drawn)[0].item() == pytest.approx(layer.norm, rel=0.12)


def test_at_the_start_it_is_the_network_without() -> None:
    torch.manual_seed(0)
    sizes = {"resolution": 32, "channel_base": 512, "channel_max": 64, "minibatch_std_group": 0}
    plain, images = make_resnet(**sizes), torch.randn(6, 3, 32, 32)
    torch.manual_seed(0)
    network = make_resnet(**sizes, normalization="chain")
    one, other = plain(images), network(images)
    assert torch.corrcoef(torch.stack([one, other]))[0, 1] > 0.99
    assert 2 / 3 < (other.std() / one.std()).item() < 3 / 2  # with norms of 1 a thirtieth


def test_a_network_that_has_seen_nothing_normalises_nothing() -> None:
    network, images = made(p=0.7), pictures()
    without = copy.deepcopy(network)
    chain_of(without).p.zero_()
    assert torch.equal(network(images), without(images))


def test_a_second_pass_is_compared_and_not_noted() -> None:
    network = made()
    drawn = chain_of(network).draw(5, "real", generator())
    network(pictures(1), chain_pass=drawn)
    first = [moments.squares for moments in drawn.moments]
    network(pictures(2), chain_pass=drawn)
    assert len(drawn.moments) == len(first)
    for kept, one in zip(drawn.moments, first, strict=True):
        assert kept.squares is one


def test_no_channel_is_amplified_and_the_quietest_stays() -> None:
    squares = torch.tensor([4.0, 0.25, 1e-12, 9.0])
    psi = (squares + 1e-5).sqrt()
    torch.testing.assert_close(relative_size(squares), psi[2] / psi)
    assert relative_size(squares).max() == 1


def test_gradients_of_gradients_are_those_of_differences() -> None:
    network = made(p=0.5, form="plain", minibatch_std_group=0).double()
    drawn = chain_of(network).draw(2, "real", generator())
    images = pictures()[:2].double().requires_grad_(True)

    def logits(images: Tensor) -> Tensor:
        out: Tensor = network(images, chain_pass=drawn)
        return out

    assert torch.autograd.gradcheck(logits, images, eps=1e-6, atol=1e-5, fast_mode=True)
    assert torch.autograd.gradgradcheck(logits, images, eps=1e-6, atol=1e-4, fast_mode=True)


def test_norms_are_measured_exactly_under_autocast() -> None:
    network, images = made(p=1), pictures()
    exact = chain_of(network).draw(5, "real", generator())
    network(images, chain_pass=exact)
    coarse = chain_of(network).draw(5, "real", generator())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(images, chain_pass=coarse)
    assert logits.dtype == torch.float32
    for one, other in zip(exact.moments, coarse.moments, strict=True):
        assert other.squares.dtype == torch.float32
        torch.testing.assert_close(other.squares, one.squares, rtol=0.05, atol=1e-4)


def test_labels_and_copies_work_as_without() -> None:
    network = made(num_classes=3)
    labels = torch.tensor([0, 1, 2, 0, 1])
    drawn = chain_of(network).draw(5, "real", generator())
    logits = network(pictures(), labels, chain_pass=drawn)
    twin = copy.deepcopy(network)
    again = chain_of(twin).draw(5, "real", generator())
    assert torch.equal(twin(pictures(), labels, chain_pass=again), logits)
    assert not torch.equal(network(pictures(), 2 - labels, chain_pass=drawn), logits)


def test_r3gan_is_refused() -> None:
    with pytest.raises(ValueError, match="form is 'r3gan', but must be one of residual, plain"):
        made(form="r3gan")


def test_what_is_measured_is_all_of_the_state_that_a_network_without_lacks() -> None:
    network = make_resnet(resolution=16, channel_base=64, channel_max=8, normalization="chain")
    plain = make_resnet(resolution=16, channel_base=64, channel_max=8)
    assert set(measured_names(network)) == network.state_dict().keys() - plain.state_dict().keys()
    assert not measured_names(plain)
