"""The time that a run is said to take."""

import sys
import time
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor
from torchvision.models import squeezenet1_1

from adavit.config.run import RunConfig
from adavit.config.section import MOST
from adavit.errors import UserError
from adavit.runtime.console import SilentConsole
from adavit.training import plan
from adavit.training.plan import TIMED_STEPS, describe_plan, seconds_per_step
from adavit.training.start.build import build_step
from adavit.training.start.resident import Residence
from adavit.training.start.workload import load_workload
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.slices import Slices
from adavit.training.step.terms import StepTerms
from tests.published_vit import write_published
from tests.small_weights import write_mobilenet

Tiny = Callable[..., RunConfig]


def test_every_timed_step_counts_but_the_one_that_warms_up(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = load_workload(
        tiny({"training": {"r1_gamma": 0, "penalty": "exact"}}), SilentConsole()
    )
    step = build_step(workload)
    durations = [50.0, *(1.0 + 2 * number for number in range(TIMED_STEPS))]

    def clock() -> Iterator[float]:
        now = 0.0
        for duration in durations:
            yield now
            now += duration
            yield now

    ticks = clock()
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    assert seconds_per_step(workload, step) == sum(durations[1:]) / TIMED_STEPS
    assert TIMED_STEPS >= 2


def test_a_system_without_a_peak_has_a_plan(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, which has no module `resource`."""
    layer: dict[str, Any] = {"metrics": {"names": []}}
    measured = describe_plan(tiny(layer), SilentConsole())
    monkeypatch.setitem(sys.modules, "resource", None)  # whose import fails then
    lines = describe_plan(tiny(layer), SilentConsole()).splitlines()
    (told,) = [line for line in lines if line.startswith("memory ")]
    assert " GiB at the peak of " in measured
    assert told.split(maxsplit=1)[1].startswith("not measured, since this system does not say")
    assert len(lines) == len(measured.splitlines())


@pytest.mark.slow
def test_frozen_networks_are_counted_apart(tiny: Tiny, tmp_path: Path) -> None:
    named = write_published(tmp_path / "vit.pth")
    distilled = {"distill_weight": 1, "distill_network": named, "distill_width": 12}
    layers: list[dict[str, dict[str, Any]]] = [
        {"discriminator": {"patch": 8}, "metrics": {"names": []}},
        {"training": distilled},
    ]
    lines = describe_plan(tiny(*layers), SilentConsole()).splitlines()
    without = describe_plan(tiny(layers[0]), SilentConsole()).splitlines()

    def parameters(lines: list[str], name: str) -> list[float]:
        return [float(line.split()[1]) for line in lines if line.startswith(f"{name} ")]

    (teacher,) = parameters(lines, "distillation")
    (told,) = [line for line in lines if line.startswith("distillation ")]
    # Its weights alone are .32 GiB.
    assert 0.32 < float(told.partition("it adds about ")[2].split()[0]) < 0.6
    # ViT-B without its classifier, with 4 patches of 8 px and LayerScale.
    blocks = 12 * (4 * 768 * 768 + 4 * 768 + 8 * 768 * 768 + 5 * 768 + 6 * 768)
    rest = 3 * 64 * 768 + 768 + 5 * 768 + 768 + 2 * 768
    assert teacher == pytest.approx((blocks + rest) / 1e6, abs=0.006)
    predictors = 2 * (16 * 12 + 12 + 12 * 12 + 12 + 12 * 768 + 768)
    added = parameters(lines, "discriminator")[0] - parameters(without, "discriminator")[0]
    assert added == pytest.approx(predictors / 1e6, abs=0.011)
    assert parameters(without, "distillation") == []


def test_a_projected_discriminator_is_counted_with_its_frozen_network(
    tiny: Tiny, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = squeezenet1_1(weights=None)
    torch.save(network.state_dict(), tmp_path / "squeeze.pth")
    named = {"network": f"torchvision:squeezenet1_1:{tmp_path / 'squeeze.pth'}"}
    projected = {"features": named, "discriminator": {"kind": "projected"}}
    plan = describe_plan(tiny({"metrics": {"names": []}}, projected), SilentConsole())
    seen = sum(
        weight.numel() for weight in network.features[:8].parameters()
    )  # up to the second map
    (told,) = [line for line in plan.splitlines() if line.startswith("features  ")]
    parameters, _, added = told.partition("; they and the heads on them add about ")
    assert parameters == f"features        {seen / 1e6:8.2f} M frozen parameters of squeezenet1_1"
    assert 0.01 < float(added.removesuffix(" GiB")) < 0.2


def test_steps_with_a_penalty_weigh_as_often_as_they_come(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = load_workload(tiny({"training": {"r1_gamma": 1, "r1_interval": 4}}), SilentConsole())
    step = build_step(workload)
    now = 0.0

    def run(*arguments: object, images: int, **options: object) -> None:
        nonlocal now
        now += 9.0 if step.due(images // workload.config.training.batch) else 1.0

    monkeypatch.setattr(type(step), "__call__", lambda self, *a, **o: run(*a, **o))
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    assert seconds_per_step(workload, step) == (9 + 3 * 1) / 4


@pytest.mark.parametrize("when", [{"vanishes_at": 0.5}, {"start_kimg": 1}])
def test_time_is_measured_with_a_critic_that_the_generator_follows(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: dict[str, float]
) -> None:
    section = {"network": write_mobilenet(tmp_path / "mobile.pth"), "side": 32, "interval": 3}
    layer: dict[str, Any] = {"features": {**section, **when}, "training": {"r1_gamma": 0}}
    workload = load_workload(tiny(layer), SilentConsole())
    now, original = 0.0, AdversarialStep.terms

    def told(step: AdversarialStep, images: int, slices: Slices) -> StepTerms:
        nonlocal now
        terms = original(step, images, slices)
        assert terms.critic is None or terms.critic.teaches_generator
        now += 1.0 if terms.critic is None else 7.0
        return terms

    monkeypatch.setattr(AdversarialStep, "terms", told)
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    assert seconds_per_step(workload) == (7 + 2 * 1) / 3


def test_the_time_of_a_step_is_measured_however_long_the_cycle_is(tiny: Tiny) -> None:
    intervals = {"r1_interval": MOST, "r2_interval": MOST - 1, "path_length_interval": MOST - 3}
    weights = {"r1_gamma": 1, "r2_gamma": 1, "path_length": 2}
    workload = load_workload(tiny({"training": {**weights, **intervals}}), SilentConsole())
    assert 0 < seconds_per_step(workload) < 60


def test_a_plan_tells_where_the_images_are(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adavit.training.plan.Residence.of", lambda _: Residence(13 * 10**9, 10**9))
    text = describe_plan(tiny(), SilentConsole())
    assert "\nimages          13 GB, read from the disk batch by batch: 1 GB of" in text


def test_a_plan_tells_settings_sizes_and_time(tiny: Tiny, tmp_path: Path) -> None:
    text = describe_plan(tiny(), SilentConsole())
    for word in (
        *("total_kimg: 0.064", "generator ", "discriminator ", "operations ", "foreseen ", "disk "),
        *("memory ", "images/s", "kimg"),
    ):
        assert word in text
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("budget", [None, "40s"])
def test_the_share_of_one_of_several_processes_is_foreseen(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, budget: str | None
) -> None:
    seen: set[tuple[int, int, int]] = set()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(plan, "cores", lambda: 2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)

    def watched(step: AdversarialStep, real: torch.Tensor, *arguments: Any, **named: Any) -> Any:
        if isinstance(real, FakeTensor):  # as it is foreseen
            return original(step, real, *arguments, **named)
        networks = (step.generator, step.discriminator)
        weights = sum(weight.nbytes for network in networks for weight in network.parameters())
        seen.add((len(real), torch.get_num_threads(), weights))
        return original(step, real, *arguments, **named)

    original = AdversarialStep.__call__
    monkeypatch.setattr(AdversarialStep, "__call__", watched)
    try:
        layer: dict[str, Any] = {"training": {"batch": 8}, "run": {"budget": budget}}
        if budget is not None:
            layer["training"]["total_kimg"] = "auto"
        text = describe_plan(tiny(layer), SilentConsole(), processes=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    told = dict(line.split(maxsplit=1) for line in text.splitlines() if " " in line.strip())
    ((images, threads, weights),) = seen
    assert (images, threads) == (4, 1)
    assert "in each of 2 processes with 4 of the 8 images" in told["memory"]
    assert told["images"].endswith("decoded once for this machine, and mapped by its 2 processes")
    count, amount, unit = itemgetter(0, 8, 9)(told["messages"].split())
    assert count == "3"
    # 2 (N - 1) / N of the gradients, and what is small.
    assert unit == "kB"
    assert 1000 * float(amount) == pytest.approx(weights, rel=0.1)
    assert "microbatch: 4\n" in text


def test_processes_that_cannot_share_are_refused_as_by_the_run(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tiny({"training": {"batch": 8, "microbatch": 8}})
    with pytest.raises(UserError, match=r"makes 1 slice, but 2 processes compute equally many"):
        describe_plan(shared, SilentConsole(), processes=2)
    monkeypatch.setattr(plan, "choose_device", lambda *_: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="1 CUDA device can be seen here, for 2 processes"):
        describe_plan(shared, SilentConsole(), processes=2)


def test_the_steps_of_a_deterministic_run_are_measured_as_it_takes_them(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    original = AdversarialStep.__call__

    def watched(step: AdversarialStep, *arguments: Any, **named: Any) -> Any:
        seen.append(torch.are_deterministic_algorithms_enabled())
        return original(step, *arguments, **named)

    monkeypatch.setattr(AdversarialStep, "__call__", watched)
    layer: dict[str, Any] = {"training": {"deterministic": True}, "metrics": {"names": []}}
    seconds_per_step(load_workload(tiny(layer), SilentConsole()))
    counted = len(seen)
    layer["training"]["total_kimg"] = "auto"
    describe_plan(tiny(layer, {"run": {"budget": "20s"}}), SilentConsole())
    assert 0 < counted < len(seen)
    assert all(seen)
    assert not torch.are_deterministic_algorithms_enabled()
