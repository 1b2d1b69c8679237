from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from adavit.config.layers import merge
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.runtime.console import SilentConsole
from adavit.training.batches import RunBatches
from adavit.training.start.workload import Workload, load_workload

Tiny = Callable[..., RunConfig]


@pytest.fixture
def workload(tiny: Tiny) -> Workload:
    return load_workload(tiny(), SilentConsole())


def drawn(workload: Workload, part: str) -> set[bytes]:
    """The images of a part of the split, each as its bytes."""
    chosen = workload.image_set.images[getattr(workload.split, part)]
    return {image.tobytes() for image in chosen}


def as_bytes(images: torch.Tensor) -> list[bytes]:
    return [each.numpy().tobytes() for each in ((images + 1) * 127.5).round().to(torch.uint8)]


def test_slices_of_several_processes_are_the_batch_of_one(workload: Workload) -> None:
    batches = RunBatches(workload)
    whole, _ = batches.training(16, range(8))
    first, second = (batches.training(16, range(*ends))[0] for ends in ((0, 4), (4, 8)))
    assert torch.equal(whole, torch.cat([first, second]))
    assert set(as_bytes(whole)) <= drawn(workload, "train")


def test_another_seed_draws_other_batches_of_the_same_images(workload: Workload) -> None:
    again = merge(workload.config.as_dict(), {"run": {"seed": 1}})
    other = replace(workload, config=ResolvedConfig.model_validate(again))
    first, second = (RunBatches(each).training(0, range(8))[0] for each in (workload, other))
    assert not torch.equal(first, second)


def test_held_out_images_come_once_in_an_interval_and_all_of_them_in_time(
    workload: Workload,
) -> None:
    batches = RunBatches(workload)
    seen: list[bytes] = []
    for step in range(40):
        found = batches.heldout(8 * step, 4)
        assert (found is None) == (step % 4 != 3)
        seen += [] if found is None else as_bytes(found[0])
    heldout = drawn(workload, "heldout")
    assert len(heldout) % 8
    assert set(seen) == heldout


@pytest.mark.parametrize("group", [0, 4])
def test_held_out_images_come_in_whole_groups_of_the_standard_deviation(
    tiny: Tiny, group: int
) -> None:
    layers = {"discriminator": {"minibatch_std_group": group}, "training": {"batch": 8}}
    workload = load_workload(tiny(layers), SilentConsole())
    for count in range(1, 11):
        heldout = workload.split.heldout[:count]
        batches = RunBatches(replace(workload, split=replace(workload.split, heldout=heldout)))
        found = [batches.heldout(8 * step, 1) for step in range(2 * count)]
        images = [each[0] for each in found if each is not None]
        if count < group:  # in each group of four an image would stand twice
            assert images == []
            continue
        (size,) = {len(each) for each in images}
        assert size == (min(count, 8) if group == 0 else 4 if count < 8 else 8)
        expected = {image.tobytes() for image in workload.image_set.images[heldout]}
        assert set(as_bytes(torch.cat(images))) == expected


@pytest.mark.parametrize("count", [5, 6, 7, 9, 10, 13])
def test_no_pass_holds_a_held_out_image_twice_and_all_come_up(tiny: Tiny, count: int) -> None:
    layers = {"discriminator": {"minibatch_std_group": 4}, "training": {"batch": 8}}
    workload = load_workload(tiny(layers), SilentConsole())
    heldout = np.concatenate([workload.split.heldout, workload.split.train])[:count]
    batches = RunBatches(replace(workload, split=replace(workload.split, heldout=heldout)))
    seen = set()
    for step in range(40):
        found = batches.heldout(8 * step, 1)
        assert found is not None
        images = as_bytes(found[0])
        assert len(set(images)) == len(images)
        seen |= set(images)
    assert len(seen) == count


def test_where_nothing_is_held_out_nothing_comes(tiny: Tiny) -> None:
    config = tiny({"data": {"val_fraction": 0.0}, "augment": {"heuristic": "rt"}})
    batches = RunBatches(load_workload(config, SilentConsole()))
    assert batches.heldout(24, 4) is None


def test_held_out_images_that_take_several_batches_come_once_in_an_epoch(
    workload: Workload,
) -> None:
    heldout = np.concatenate([workload.split.heldout, workload.split.train])[:24]
    batches = RunBatches(replace(workload, split=replace(workload.split, heldout=heldout)))
    found = [batches.heldout(8 * step, 4) for step in range(12)]
    seen = [image for each in found if each is not None for image in as_bytes(each[0])]
    assert sorted(seen) == sorted(image.tobytes() for image in workload.image_set.images[heldout])
