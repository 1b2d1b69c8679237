"""Operations and bytes of one training step by part, of networks in full size: `python benchmarks/step_operations.py`.

    python benchmarks/step_operations.py [--kinds resnet vit] [--sizes 32x64 256x32] [--top 10]

Nothing is computed: the step runs on tensors without memory behind them, the ways of an accelerator. An operation is
one call of an operator that touches memory, about one kernel; gigabytes are those of the tensors that it names (see
`benchmarks.work`). Both are the same on every machine. Autocast goes by the CPU's lists, which leave a few
operations in bfloat16 that CUDA's have in float32; for the RMS norm of queries and keys CUDA has one kernel, a CPU
five.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import Tensor

from adavit.augment import resampling as augment_resampling
from adavit.models import resampling
from adavit.models.vit import attention
from adavit.training.passes.augmented_discriminator import AugmentedDiscriminator
from adavit.training.start.without_content import without_content
from adavit.training.step import slice_pass
from adavit.training.step.adversarial_step import AdversarialStep
from benchmarks.fake_steps import fake_step
from benchmarks.gpu.bench import KINDS, Bench, Stepper, workload_of
from benchmarks.work import WorkCount

CPU = torch.device("cpu")
PARTS = (
    "draw images",
    "augmentation",
    "judge images",
    "penalty",
    "backward to the generator",
    "backward to the discriminator",
    "finite flag",
    "optimisers",
    "averages",
    "everything else",
)
"""In the order of a step. A backward pass goes through all networks on its way."""


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_sizes(parser)
    parser.add_argument("--top", type=int, default=0, help="so many operators of each part by name")
    arguments = parser.parse_args()
    print(f"| step | operations | {' | '.join(PARTS)} | GB |")
    print("|---" * (len(PARTS) + 3) + "|")
    for kind, side, batch in sizes_of(arguments):
        for name, work in counted(kind, side, batch, toy=arguments.toy).items():
            print(f"| {kind}, {side} px, batch {batch}, {name} {row(work)}", flush=True)
            for part in PARTS if arguments.top else ():
                common = work.parts[part].operations.most_common(arguments.top)
                print(f"    {part}: " + ", ".join(f"{count} {op}" for op, count in common))


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """The options that say which steps are looked at."""
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sizes", nargs="+", default=["32x64", "256x32"], help="pixels x batch")
    parser.add_argument("--toy", action="store_true", help="small networks")


def sizes_of(arguments: argparse.Namespace) -> Iterator[tuple[str, int, int]]:
    """Discriminator, side in pixels and batch of each of them."""
    for kind in arguments.kinds:
        for size in arguments.sizes:
            side, batch = map(int, size.split("x"))
            yield kind, side, batch


def row(work: WorkCount) -> str:
    """The columns of the table behind its first one."""
    counts = [work.parts[part].operations.total() for part in PARTS]
    numbers = " | ".join(f"{count:,}" for count in (work.operations, *counts))
    return f"| {numbers} | {work.bytes / 1e9:.1f} |"


def counted(kind: str, side: int, batch: int, *, toy: bool = False) -> dict[str, WorkCount]:
    """What a plain step and one with R1 ask.

    Args:
        kind: "resnet" or "vit".
        side: Of the images in pixels.
        batch: Images.
        toy: Whether the networks are those of a test.
    """
    found = {}
    with fake_stepper(kind, side, batch, toy=toy) as stepper:
        # Adam's moments come into being, and the filters within our own operators, which only the count goes into.
        with WorkCount():
            stepper.plain()
        for name, call in (("plain", stepper.plain), ("with R1", stepper.penalised)):
            with WorkCount() as found[name], by_part(found[name], stepper.step):
                call()
    return found


@contextmanager
def fake_stepper(
    kind: str, side: int, batch: int, *, toy: bool, allow_real: bool = False
) -> Iterator[Stepper]:
    """While entered, nothing has content; gives what calls a step in bfloat16, the ways of an accelerator.

    Args:
        kind: "resnet" or "vit".
        side: Of the images in pixels.
        batch: Images.
        toy: Whether the networks are those of a test.
        allow_real: As for `without_content`.
    """
    bench = Bench(CPU, toy, Path(), 0.0)
    config = bench.config(kind, side, {"training": {"batch": batch, "precision": "bf16"}})
    workload = workload_of(config, CPU)
    with without_content(allow_real=allow_real), as_on_an_accelerator():
        yield Stepper(fake_step(workload), config, CPU)


@contextmanager
def as_on_an_accelerator() -> Iterator[None]:
    """While entered, filters are products, images are resampled all at once, and attention is fused."""
    with (
        patch.object(resampling, "is_accelerator", lambda _device: True),
        patch.object(augment_resampling, "_CHUNK_BYTES", 2**60),
        patch.object(attention, "EXACT_UP_TO_TOKENS", {}),
    ):
        yield


@contextmanager
def by_part(work: WorkCount, step: AdversarialStep) -> Iterator[None]:
    """While entered, what the step does is counted by its parts."""

    def named(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            with work.within(part):
                return function(*arguments, **options)

        return counted

    def backward(loss: Tensor, *arguments: Any, **options: Any) -> None:
        network = "generator" if options.get("retain_graph") else "discriminator"
        with work.within(f"backward to the {network}"):
            plain_backward(loss, *arguments, **options)

    plain_backward = Tensor.backward
    places: list[tuple[Any, str, str]] = [
        (slice_pass, "draw", "draw images"),
        (AugmentedDiscriminator, "views", "augmentation"),
        (AugmentedDiscriminator, "judge", "judge images"),
        (AdversarialStep, "_is_finite", "finite flag"),
        (step.average, "update", "averages"),
        (step.generator, "track_average", "averages"),
        (step.generator_optimizer, "step_if", "optimisers"),
        (step.discriminator_optimizer, "step_if", "optimisers"),
        *((type(regularizer), "__call__", "penalty") for regularizer in step.regularizers),
    ]
    patches = [patch.object(on, name, named(part, getattr(on, name))) for on, name, part in places]
    patches.append(patch.object(Tensor, "backward", backward))
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in reversed(patches):
            each.stop()


if __name__ == "__main__":
    main()
