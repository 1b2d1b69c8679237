import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from adavit.augment import AugmentPipe
from adavit.training.start.without_content import without_content
from tests.augment.helpers import EVERYTHING, pipe_of, random_images


@pytest.fixture(autouse=True)
def fresh_compiler() -> None:
    torch.compiler.reset()


def test_whole_pipe_is_one_graph_and_probability_does_not_recompile() -> None:
    # The backend traces through autograd, but generates no machine code: that is the slow test below.
    pipe = pipe_of(EVERYTHING)
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(pipe, fullgraph=True, backend=counter)
    images = random_images(3, 3, 17, 20, dtype=torch.float32)
    for p in (1.0, 0.3, 0.0):
        pipe.p.fill_(p)
        found = compiled(images)
    assert torch.equal(found, images)
    assert counter.frame_count == 1


def test_other_shapes_compile_as_well() -> None:
    pipe = pipe_of(EVERYTHING)
    compiled = torch.compile(pipe, fullgraph=True, backend="aot_eager")
    for shape in ((2, 3, 17, 20), (3, 3, 70, 66)):
        assert compiled(torch.zeros(shape)).shape == shape


@pytest.mark.parametrize("size", [(17, 20), (70, 66)])
@pytest.mark.slow
def test_compiled_apply_equals_eager_with_gradients(size: tuple[int, int]) -> None:
    pipe = pipe_of(EVERYTHING)
    images = random_images(3, 3, *size, dtype=torch.float32).requires_grad_()
    values = pipe.sample(images.shape, torch.Generator().manual_seed(2))
    compiled = torch.compile(pipe.transform, fullgraph=True)
    found, expected = compiled(images, values), pipe.transform(images, values)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    other = random_images(3, 3, *size, dtype=torch.float32, seed=1)
    gradients = [torch.autograd.grad((y * other).sum(), images)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_compiled_pipe_draws_at_the_present_probability() -> None:
    pipe = AugmentPipe(brightness=1)
    compiled = torch.compile(pipe, fullgraph=True)
    images = torch.zeros(4000, 1, 1, 1)
    for p in (0.2, 0.7):
        pipe.p.fill_(p)
        assert (compiled(images) != 0).float().mean().item() == pytest.approx(p, abs=0.04)


def test_fake_tensors_pass_and_leave_no_trace() -> None:
    pipe = pipe_of(EVERYTHING)
    shapes = [(2, 3, 19, 23), (2, 1, 71, 67)]
    with without_content():
        for shape in shapes:
            assert pipe(torch.zeros(shape)).shape == shape
            assert pipe(torch.zeros(shape), quantile=0.3).shape == shape
        assert pipe_of(EVERYTHING)(torch.zeros(shapes[0])).shape == shapes[0]
    for shape in shapes:
        assert pipe(torch.zeros(shape)).isfinite().all()
    with without_content():
        assert pipe(torch.zeros(shapes[0])).shape == shapes[0]


def test_meta_tensors_show_that_no_shape_depends_on_values() -> None:
    pipe = pipe_of(EVERYTHING).to("meta")
    for shape in ((2, 3, 19, 23), (2, 1, 71, 67)):
        assert pipe(torch.zeros(shape, device="meta")).shape == shape


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_waits_for_nothing_and_is_captured_in_one_graph() -> None:
    pipe = pipe_of(EVERYTHING).cuda()
    images = torch.rand(4, 3, 64, 48, device="cuda").requires_grad_()
    pipe(images).sum().backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        pipe(images).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        found = pipe(images)
    graph.replay()
    assert found.isfinite().all()
