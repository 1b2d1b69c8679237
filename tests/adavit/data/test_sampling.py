import os
from pathlib import Path

import numpy as np
import pytest
import torch

from adavit.data.image_set import ImageSet
from adavit.data.sampling import BatchSampler
from adavit.errors import RunError

CPU = torch.device("cpu")


def numbered_set(count: int, labelled: bool = True) -> ImageSet:
    """Images whose first pixel is their number and whose left column differs from the right one."""
    images = np.zeros((count, 3, 4, 4), dtype=np.uint8)
    images[:, :, :, 0] = np.arange(count).reshape(-1, 1, 1)
    images[:, :, :, 3] = 255
    images.flags.writeable = False
    labels = np.arange(count, dtype=np.int64) * 2 if labelled else None
    return ImageSet("numbers", images, labels, (), "", (), "", ())


def sampler(
    count: int = 20,
    indices: np.ndarray | None = None,
    seed: int = 0,
    purpose: str = "data",
    **options: bool,
) -> BatchSampler:
    chosen = np.arange(count) if indices is None else indices
    return BatchSampler(
        numbered_set(count), chosen, seed=seed, purpose=purpose, device=CPU, **options
    )


def numbers(images: torch.Tensor) -> list[int]:
    return ((images[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def test_a_batch_has_float_images_and_their_labels() -> None:
    images, labels = sampler().batch(0, 7)
    assert images.shape == (7, 3, 4, 4)
    assert images.dtype == torch.float32
    assert images.max() == 1.0
    assert labels is not None
    assert labels.dtype == torch.int64
    assert labels.tolist() == [2 * number for number in numbers(images)]


def test_without_classes_there_are_no_labels() -> None:
    batches = BatchSampler(
        numbered_set(5, labelled=False), np.arange(5), seed=0, purpose="data", device=CPU
    )
    assert batches.batch(0, 3)[1] is None


def test_labels_that_nothing_is_conditioned_on_are_left_out() -> None:
    images, labels = sampler(labelled=False).batch(0, 7)
    assert labels is None
    assert torch.equal(images, sampler().batch(0, 7)[0])


@pytest.mark.parametrize("mirror", [False, True])
def test_images_on_the_device_are_told_their_order_once_in_an_epoch(
    monkeypatch: pytest.MonkeyPatch, mirror: bool
) -> None:
    expected = [sampler(mirror=mirror).batch(start, 5) for start in range(0, 120, 5)]
    resident = torch.from_numpy(numbered_set(20).images.copy())
    monkeypatch.setattr(BatchSampler, "_copy_to_device", lambda self: resident)
    batches, uploads, to = sampler(mirror=mirror), [], torch.Tensor.to

    def noted(tensor: torch.Tensor, *where: object) -> torch.Tensor:
        if where == (CPU,) and tensor.numel() > 5:  # what is there already is no more than a batch
            uploads.append(tensor.numel())
        return to(tensor, *where)

    def upload(array: np.ndarray) -> torch.Tensor:
        raise AssertionError("a batch was brought from the host")

    monkeypatch.setattr(torch.Tensor, "to", noted)
    monkeypatch.setattr(torch, "from_numpy", upload)
    for index, (images, labels) in enumerate(expected):
        found, own = batches.batch(5 * index, 5)
        assert torch.equal(found, images)
        assert own is not None
        assert torch.equal(own, labels)
    epoch = 40 if mirror else 20
    assert uploads == [epoch] * (120 // epoch)


def test_each_epoch_is_another_permutation_of_the_chosen_images() -> None:
    indices = np.array([3, 5, 8, 13, 1, 19, 0])
    batches = sampler(indices=indices)
    epochs = [numbers(batches.batch(7 * epoch, 7)[0]) for epoch in range(4)]
    assert all(sorted(epoch) == sorted(indices.tolist()) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


@pytest.mark.parametrize("mirror", [False, True])
def test_batches_do_not_depend_on_the_batch_size(mirror: bool) -> None:
    whole, whole_labels = sampler(mirror=mirror).batch(0, 64)
    assert whole_labels is not None
    for size in (1, 7, 32):
        batches = sampler(mirror=mirror)
        parts = [batches.batch(start, min(size, 64 - start)) for start in range(0, 64, size)]
        assert torch.equal(torch.cat([images for images, _ in parts]), whole)
        labels = torch.cat([label for _, label in parts if label is not None])
        assert torch.equal(labels, whole_labels)


def test_a_resumed_sampler_draws_what_an_uninterrupted_one_draws() -> None:
    batches = sampler()
    for start in range(0, 96, 32):
        batches.batch(start, 32)
    assert torch.equal(batches.batch(96, 32)[0], sampler().batch(96, 32)[0])


def test_going_back_draws_the_same_again() -> None:
    batches = sampler()
    first = batches.batch(0, 8)[0]
    batches.batch(200, 8)
    batches.batch(100, 50)
    assert torch.equal(batches.batch(0, 8)[0], first)


def test_a_batch_may_be_larger_than_the_set() -> None:
    images, _ = sampler(count=3).batch(2, 10)
    assert len(images) == 10
    assert sorted(numbers(images)[1:4]) == [0, 1, 2]


def test_order_changes_with_seed_and_purpose() -> None:
    orders = {
        tuple(numbers(sampler(seed=seed, purpose=purpose).batch(0, 20)[0]))
        for seed, purpose in ((0, "data"), (1, "data"), (0, "heldout"))
    }
    assert len(orders) == 3


def test_mirroring_shows_each_image_once_each_way_in_an_epoch() -> None:
    batches = sampler(count=5, mirror=True)
    assert len(batches) == 10
    images, labels = batches.batch(0, 10)
    flipped = images[:, 0, 0, 0] == 1.0  # the white column has come to the left
    assert flipped.sum() == 5
    upright = torch.where(flipped[:, None, None, None], images.flip(3), images)
    assert sorted(numbers(upright)) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert sorted(numbers(upright[flipped])) == [0, 1, 2, 3, 4]
    assert labels is not None
    assert labels.tolist() == [2 * number for number in numbers(upright)]


def test_global_random_state_is_neither_used_nor_changed() -> None:
    before = torch.get_rng_state()
    first = sampler().batch(0, 20)[0]
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(123)
    assert torch.equal(sampler().batch(0, 20)[0], first)


def test_a_batch_may_be_written_to_without_harm() -> None:
    batches = sampler()
    first = batches.batch(0, 20)[0].clone()
    batches.batch(0, 20)[0].zero_()
    assert torch.equal(batches.batch(0, 20)[0], first)


def test_no_images_to_draw_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="indices is empty"):
        sampler(indices=np.array([], dtype=np.int64))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_an_accelerator_draws_the_same_batches_from_its_own_memory() -> None:
    device = torch.device("cuda")
    indices = np.array([4, 2, 9])
    on_device = BatchSampler(
        numbered_set(20), indices, seed=0, purpose="data", device=device, mirror=True
    )
    assert on_device._resident is not None
    assert on_device._resident.shape == (3, 3, 4, 4)
    images, labels = on_device.batch(0, 9)
    expected, expected_labels = sampler(indices=indices, mirror=True).batch(0, 9)
    assert labels is not None
    assert expected_labels is not None
    assert torch.equal(images.cpu(), expected)
    assert torch.equal(labels.cpu(), expected_labels)


@pytest.mark.parametrize("resident", [True, False])
def test_an_accelerator_holds_images_only_where_it_may(
    monkeypatch: pytest.MonkeyPatch, resident: bool
) -> None:
    monkeypatch.setattr("adavit.data.sampling.is_accelerator", lambda _: True)
    batches = sampler(indices=np.array([4, 2, 9]), resident=resident)
    assert (batches._resident is not None) is resident
    assert set(numbers(batches.batch(0, 3)[0])) == {2, 4, 9}


def test_a_mapped_file_that_was_cut_short_ends_the_run_not_the_process(tmp_path: Path) -> None:
    """Reading a page beyond the end of a mapped file is SIGBUS."""
    images = np.zeros((64, 3, 64, 64), dtype=np.uint8)
    path = tmp_path / "images.npy"
    np.save(path, images)
    mapped = np.load(path, mmap_mode="r")
    image_set = ImageSet("mapped", mapped, None, (), "", (), "", ())
    sampler = BatchSampler(
        image_set, np.arange(64), seed=0, purpose="data", device=torch.device("cpu")
    )
    sampler.batch(0, 8)
    os.truncate(path, 5000)
    with pytest.raises(RunError, match="were cut short while they were used"):
        sampler.batch(8, 64)
