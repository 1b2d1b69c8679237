"""`export`: a trained generator in a format that other programs run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from adavit.errors import RunError, UserError
from adavit.pretraining.directory import PretrainingDirectory
from adavit.publishing import plain_generator
from adavit.publishing.exported_network import (
    LABELS,
    LATENTS,
    MAPPING,
    STYLES,
    SYNTHESIS,
    TRUNCATION,
    WHOLE,
    ExportedNetwork,
    Part,
    expected_output,
)
from adavit.publishing.format_names import check_ending
from adavit.publishing.formats import FORMATS, ExportFormat, Run
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import StoredGenerator, read_generator
from adavit.runs.records import check_writable
from adavit.runtime.files import write_together
from adavit.runtime.paths import takes_paths
from adavit.runtime.randomness import generator_for

CHECKED = ((3, 1.0), (1, 0.7))
"""Batches that a file is checked with: seeds from 0, and the truncation."""

TOLERANCE = 1e-4
"""Largest difference between what a file and torch compute, as a part of the largest value or of 1."""


@dataclass(frozen=True)
class ExportDifference:
    """How far what a file computes is from what the generator does.

    Attributes:
        largest: Of all values.
        root_mean_square: Over all values.
        scale: The largest value that the generator itself gave.
    """

    largest: float
    root_mean_square: float
    scale: float


@dataclass(frozen=True)
class ExportedFile:
    """One file of an export.

    Attributes:
        path: Where it lies.
        bytes: Its size.
        inputs: Type and shape of each input by name, as text.
        output: Name, type and shape of the output, as text.
        difference: From the generator on a few seeds; None where what runs the file is not installed.
    """

    path: Path
    bytes: int
    inputs: dict[str, str]
    output: str
    difference: ExportDifference | None


@dataclass(frozen=True)
class Export:
    """What `export` has written.

    Attributes:
        files: The whole generator first.
        made_by: What made them, for people.
        runtime: What they were checked with, or would have been.
        half: Whether weights are in float16.
    """

    files: tuple[ExportedFile, ...]
    made_by: str
    runtime: str
    half: bool


@takes_paths("source", "out")
def export(
    source: Path | str,
    out: Path | str,
    *,
    to: str,
    parts: bool = False,
    half: bool = False,
    which: str | None = None,
) -> Export:
    """Writes a generator as a file that needs no adavit: latents (labels) and truncation to images, with fixed noise.

    Any number of images at a time. Before anything is written each file is run, if what runs it is installed, and
    compared with the generator on a few seeds.

    Examples:
        >>> made = adavit.export("runs/00000-small_set-resnet-bgc", "generator.onnx", to="onnx")
        >>> made.files[0].difference.largest < 1e-4
        True

    Args:
        source: A run directory, a generator file, or `hub:USER/NAME`.
        out: The file, whose ending is that of the format; replaced if it is there.
        to: "onnx", "torchscript" or "program", the format of `torch.export`.
        parts: Also write `...-mapping` (latents to the style of each layer, w [B, L, W]) and `...-synthesis`
            (these to images) beside it.
        half: Keep weights in float16, which halves the file; computed with in float32.
        which: "best" or "last" generator of a run; None is the best.

    Returns:
        The files with their sizes and differences.

    Raises:
        UserError: If there is no such generator, the ending is another format's, a package is absent, a weight
            does not fit into float16, or the file is a checkpoint or cannot be written.
        RunError: If a file in float32 computes something else than the generator; nothing is written then.
    """
    out = Path(out)
    check_ending(out, to)
    form = FORMATS[to]
    _refuse_checkpoint(out)
    check_writable(out)
    form.check()
    stored = read_generator(source, which=which)
    # Not of the file once more, which a run that goes on may have replaced.
    weights = plain_generator.with_taps(stored.generator.state_dict())
    files: list[ExportedFile] = []
    contents: dict[Path, bytes] = {}
    for part in (WHOLE, MAPPING, SYNTHESIS) if parts else (WHOLE,):
        network = ExportedNetwork(part, weights, stored.arguments, half=half).eval()
        path = out.with_name(f"{out.stem}{part.ending}{out.suffix}")
        contents[path] = form.encode(network, _example(network, stored), _note(stored, part))
        files.append(_checked(path, contents[path], network, stored, form))
    write_together(contents.items())
    return Export(tuple(files), form.made_by, form.runtime, half)


def _refuse_checkpoint(out: Path) -> None:
    """A run could not go on from an exported file."""
    run = RunDirectory(out.parent)
    checkpoints = [*run.checkpoints(), *run.damaged_checkpoints(), run.sound_checkpoint]
    if out in (*checkpoints, *PretrainingDirectory(out.parent).checkpoints()) and out.exists():
        raise UserError(
            f"--out {str(out)!r} is a checkpoint that a run goes on from, expected the name of a new file. Choose"
            f" another, for example {out.with_name(f'generator{out.suffix}')}."
        )


def _checked(
    path: Path,
    content: bytes,
    network: ExportedNetwork,
    stored: StoredGenerator,
    form: ExportFormat,
) -> ExportedFile:
    run = form.open(content)
    difference = None if run is None else _difference(run, network, stored)
    if difference is not None and not network.half_weights:
        allowed = TOLERANCE * max(1.0, difference.scale)
        if not difference.largest <= allowed:  # NaN is not, either
            raise RunError(
                f"{path.name} computes something else than the generator: {form.runtime} differs by"
                f" {difference.largest:.2g}, expected at most {allowed:.2g}. Nothing was written; export to another"
                " format, or with other versions of torch and of what runs it."
            )
    inputs = _inputs(network, stored, seeds=2, truncation=1.0)
    output = expected_output(stored.generator, network.part, inputs)
    return ExportedFile(
        path,
        len(content),
        {name: _described(tensor, name != TRUNCATION) for name, tensor in inputs.items()},
        f"{network.part.output} {_described(output, True)}",
        difference,
    )


@torch.no_grad()
def _difference(run: Run, network: ExportedNetwork, stored: StoredGenerator) -> ExportDifference:
    worst: list[Tensor] = []
    squares, count, scale = 0.0, 0, 0.0
    for seeds, truncation in CHECKED:
        inputs = _inputs(network, stored, seeds=seeds, truncation=truncation)
        expected = expected_output(stored.generator, network.part, inputs).double()
        off = run(list(inputs.values())).double() - expected
        worst.append(off.abs().max())
        squares, count = squares + float(off.square().sum()), count + off.numel()
        scale = max(scale, float(expected.abs().max()))
    largest = float(torch.stack(worst).max())  # NaN if any is, which Python's max may lose
    return ExportDifference(largest, (squares / count) ** 0.5, scale)


def _example(network: ExportedNetwork, stored: StoredGenerator) -> list[Tensor]:
    return list(_inputs(network, stored, seeds=2, truncation=1.0).values())


@torch.no_grad()
def _inputs(
    network: ExportedNetwork, stored: StoredGenerator, *, seeds: int, truncation: float
) -> dict[str, Tensor]:
    """Those of the first seeds, in the order of the network's; classes in turn."""
    generator = stored.generator
    streams = [generator_for(seed, "latents", 0) for seed in range(seeds)]
    latents = [torch.randn(generator.latent_dim, generator=stream) for stream in streams]
    found = {LATENTS: torch.stack(latents)}
    if generator.num_classes:
        found[LABELS] = torch.arange(seeds) % generator.num_classes
    found[TRUNCATION] = torch.tensor(truncation)
    if not network.part.begins:
        found = {STYLES: expected_output(generator, MAPPING, found)}
    return {name: found[name] for name in network.input_names()}


def _described(tensor: Tensor, has_batch: bool) -> str:
    shape = [*(["batch"] if has_batch else []), *map(str, tensor.shape[1 if has_batch else 0 :])]
    return f"{str(tensor.dtype).removeprefix('torch.')} [{', '.join(shape)}]"


def _note(stored: StoredGenerator, part: Part) -> Mapping[str, str]:
    """What a file says of its generator."""
    return {
        "adavit": version("adavit"),
        "computes": part.ending.removeprefix("-") or "images",
        "noise": "fixed",
        "images_seen": str(stored.images),
        "data_fingerprint": stored.data_fingerprint,
        "classes": json.dumps(list(stored.classes)),
    }
