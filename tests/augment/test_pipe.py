import copy
import io

import pytest
import torch
from torch import Tensor

from adavit.augment import PRESETS, AugmentPipe, Pipe, make_pipe
from adavit.augment.draws import QuantileDraws, RandomDraws
from adavit.augment.pipe import PipeParameters
from adavit.augment.pipeline import GROUPS
from tests.augment.helpers import EVERYTHING, pipe_of, random_images


class Shift(Pipe):
    """Adds one number to each image: the smallest pipe there is."""

    def sample(self, shape, generator=None, device=None, *, quantile=None) -> PipeParameters:  # type: ignore[no-untyped-def]
        draws = self._draws(shape[0], torch.device("cpu"), quantile, generator)
        (gate,) = draws.gates(torch.ones(1))
        return {"shift": {"amount": draws.uniform(1)[0] * gate}}

    def transform_prepared(self, images: Tensor, prepared: PipeParameters) -> Tensor:
        return images + prepared["shift"]["amount"][:, None, None, None]


@pytest.mark.parametrize(
    "images", [torch.zeros(3, 4, 4), torch.zeros(1, 3, 4, 4, dtype=torch.uint8)]
)
def test_what_is_no_batch_of_images_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"images has shape .*a floating-point batch"):
        AugmentPipe(xflip=1)(images)


def test_probability_is_saved_with_the_module() -> None:
    pipe = pipe_of(EVERYTHING)
    assert pipe.p.shape == ()
    assert pipe.p.item() == 1
    pipe.p.fill_(0.25)
    assert list(pipe.state_dict()) == ["p"]
    file = io.BytesIO()
    torch.save(pipe.state_dict(), file)
    file.seek(0)
    other = pipe_of("bg")
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other.p.item() == 0.25
    assert copy.deepcopy(pipe).p.item() == 0.25


def test_a_pipe_holds_no_groups_but_its_own() -> None:
    assert {name for name, _ in make_pipe("diffaug").named_children()} == {"extra"}
    assert make_pipe("diffaug").state_dict().keys() == {"p"}
    assert isinstance(make_pipe("diffaug"), Pipe)
    assert not isinstance(make_pipe("diffaug"), AugmentPipe)


@pytest.mark.parametrize("name", [*PRESETS, "diffaug"])
def test_parameters_are_drawn_where_they_are_wanted(name: str) -> None:
    parameters = make_pipe(name).sample((2, 3, 8, 8), device="meta")
    found = {values.device.type for group in parameters.values() for values in group.values()}
    assert found <= {"meta"}


def test_parameters_for_another_batch_are_refused() -> None:
    pipe = AugmentPipe(xflip=1)
    with pytest.raises(ValueError, match=r"mirrored is for 2 images, but there are 3"):
        pipe.transform(torch.zeros(3, 3, 4, 4), pipe.sample((2, 3, 4, 4)))


def test_forward_samples_at_the_present_p_and_transforms_then_adds_the_extras() -> None:
    images = random_images(5000, 1, 1, 1, dtype=torch.float32)
    pipe = Shift(extra=[(lambda batch: batch * 0 + 9, 1.0)])
    generator = torch.Generator().manual_seed(2)
    pipe.p.fill_(0.3)
    parameters = pipe.sample(images.shape, torch.Generator().manual_seed(2))
    moved = parameters["shift"]["amount"] != 0
    assert moved.float().mean().item() == pytest.approx(0.3, abs=0.03)
    found = pipe(images, generator=generator)
    rest = found != 9
    assert rest.float().mean().item() == pytest.approx(0.7, abs=0.03)  # extras follow p as well
    expected = pipe.transform(images, parameters)
    assert torch.equal(found[rest], expected[rest])


def test_the_deterministic_mode_opens_all_gates_and_leaves_the_extras_out() -> None:
    pipe = Shift(extra=[(torch.zeros_like, 1.0)])
    pipe.p.fill_(0)
    images = random_images(3, 1, 2, 2, dtype=torch.float32)
    assert torch.equal(pipe(images, quantile=0.25), images + 0.25)


@pytest.mark.parametrize("name", [*PRESETS, "diffaug", EVERYTHING])
@pytest.mark.parametrize("size", [(1, 1), (8, 12), (65, 7), (70, 70)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_empty_batch_comes_back_as_it_is(
    name: str, size: tuple[int, int], channels: int
) -> None:
    pipe = pipe_of(name, extra=[(_refuse_no_images, 1.0)])
    images = torch.zeros(0, channels, *size, dtype=torch.bfloat16, requires_grad=True)
    values = pipe.sample(images.shape)
    for found in (pipe(images), pipe(images, quantile=0.3), pipe.transform(images, values)):
        assert (found.shape, found.dtype) == (images.shape, images.dtype)
        (gradient,) = torch.autograd.grad(found.sum(), images)
        assert gradient.shape == images.shape
    with pytest.raises(ValueError, match="quantile"):
        pipe(images, quantile=2.0)


@pytest.mark.parametrize("name", GROUPS)
def test_an_empty_batch_of_a_group_comes_back_as_it_is(name: str) -> None:
    group, images = getattr(pipe_of(EVERYTHING), name), torch.zeros(0, 3, 70, 66)
    for found in (group(images), group(images, 0.0), group(images, quantile=0.3)):
        assert found.shape == images.shape


def _refuse_no_images(images: Tensor) -> Tensor:
    assert len(images)
    return images


def test_draws_are_of_the_mode_that_is_asked_for() -> None:
    pipe, device = Shift(), torch.device("cpu")
    assert isinstance(pipe._draws(2, device, 0.5, None), QuantileDraws)
    assert isinstance(pipe._draws(2, device, None, None), RandomDraws)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("quantile", [None, 0.5])
def test_images_may_be_on_another_device_than_the_pipe(preset: str, quantile: float | None) -> None:
    there = torch.empty(2, 3, 32, 32, device="meta")  # which mixes with no other either
    assert make_pipe(preset)(there, quantile=quantile).device == there.device
