"""`evaluate`: the metrics of a run, a generator file, or images, against real images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adavit.config import RunConfig
from adavit.config_model import AUTO
from adavit.data import ImageSet, Split, load_images, split_images
from adavit.devices import choose_device
from adavit.errors import UserError
from adavit.generator_file import StoredGenerator, read_generator
from adavit.metrics import ExtractorName
from adavit.scoring import CHANNEL_NAMES, build_evaluator, load_reference, score_generator
from adavit.training.console import Console, SilentConsole


def evaluate(
    source: str,
    *,
    data: str | None = None,
    metrics: Sequence[str] = ("fid", "kid"),
    extractor: ExtractorName = "auto",
    inception_weights: Path | None = None,
    fakes: int | None = None,
    which: str | None = None,
    truncation: float | None = None,
    seed: int | None = None,
    data_root: Path | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> dict[str, Any]:
    """Scores generated images.

    Args:
        source: A run directory, a generator file, or a folder or zip of images.
        data: Real images to compare with; None takes those of the run's metrics.
        metrics: Of "fid", "kid".
        extractor: As `adavit.metrics.choose_extractor`.
        inception_weights: Inception's weights as a file.
        fakes: Generated images; None takes as many as the run did, or all of a folder's.
        which: "best" or "last" generator of a run; None is the best.
        truncation: Factor on the distance of w from its average; None and 1 are none.
        seed: Start of the random stream; None takes the run's, which repeats the run's own figure.
        data_root: Where downloaded sets are kept.
        device: As `adavit.devices.choose_device`.
        console: Told how it goes; None says nothing.

    Returns:
        The figures by recorded name, and the protocol they were measured under.

    Raises:
        UserError: If something is absent or does not fit.
    """
    console = console or SilentConsole()
    chosen = choose_device(device)
    common: dict[str, Any] = {
        "metrics": tuple(metrics),
        "extractor": extractor,
        "inception_weights": inception_weights,
        "device": chosen,
        "console": console,
    }
    if not is_run_or_generator(Path(source)):
        given = {"--which": which, "--truncation": truncation, "--seed": seed}
        for flag, value in given.items():
            if value is not None:
                raise UserError(
                    f"{flag} is {value}, but {source!r} is read as images, which only a generator"
                    f" has a use for. Leave {flag} out, or name a run or a .safetensors file."
                )
        return _evaluate_images(source, data, fakes, data_root, common, console)
    stored = read_generator(source, which=which)
    config = _config_of(stored)
    reference = _reference(stored, config, data, data_root, console)
    trained_on = None
    if reference.fingerprint == stored.data_fingerprint:
        trained_on = (reference, split_of(config, reference))
    evaluator = build_evaluator(reference, trained_on=trained_on, **common)
    count = fakes or config.metrics.fakes
    return score_generator(
        evaluator,
        stored.generator.to(chosen),
        fakes=count,
        seed=config.run.seed if seed is None else seed,
        label_counts=stored.label_counts,
        truncation=1.0 if truncation is None else truncation,
        progress=lambda done: console.activity("evaluating", done, count),
    )


def is_run_or_generator(path: Path) -> bool:
    """Whether `path` is to be read as a run directory or a generator file rather than as images."""
    return (path / "config.yaml").is_file() or path.suffix == ".safetensors"


def split_of(config: RunConfig, images: ImageSet) -> Split:
    """The training and held-out images of a run, found again from its settings."""
    return split_images(
        len(images.images),
        subset=config.data.subset,
        heldout_fraction=config.data.val_fraction,
        seed=config.run.seed,
    )


def _config_of(stored: StoredGenerator) -> RunConfig:
    try:
        config = RunConfig.model_validate(stored.config)
    except ValidationError as error:
        reason = f"{error.error_count()} settings are not understood"
    else:
        if config.metrics.fakes is not AUTO:
            return config
        reason = "its settings are not complete"
    raise UserError(
        f"generator file {str(stored.path)!r} cannot be evaluated ({reason}), expected the settings"
        " of its run as this version of adavit writes them. Generate images, and evaluate their"
        " folder."
    )


def _reference(
    stored: StoredGenerator,
    config: RunConfig,
    data: str | None,
    data_root: Path | None,
    console: Console,
) -> ImageSet:
    generator = stored.generator
    reference = load_reference(
        data or config.metrics.reference or config.data.source,
        "--data",
        resolution=generator.resolution,
        channels=CHANNEL_NAMES[generator.image_channels],
        data_root=data_root or config.data.data_root,
        progress=lambda done, total: console.activity("decoding", done, total),
    )
    for note in reference.notes:
        console.note(note)
    return reference


def _evaluate_images(
    source: str,
    data: str | None,
    fakes: int | None,
    data_root: Path | None,
    common: dict[str, Any],
    console: Console,
) -> dict[str, Any]:
    if data is None:
        raise UserError(
            f"{source!r} is not a run or a .safetensors file, so it is read as images, and --data"
            " has no default; expected the real images to compare with. Give --data, or check the"
            " path."
        )
    reference = load_reference(data, "--data", data_root=data_root)
    for note in reference.notes:
        console.note(note)
    shape = reference.images.shape
    images = load_images(source, resolution=shape[2], channels=CHANNEL_NAMES[shape[1]]).images
    if fakes is not None and fakes > len(images):
        raise UserError(
            f"--fakes is {fakes}, but {source!r} has {len(images)} images. Lower --fakes or leave"
            " it out."
        )
    count = fakes or len(images)
    evaluator = build_evaluator(reference, **common)
    return evaluator.evaluate_images(
        images[:count],
        protocol={"source": source},
        progress=lambda done: console.activity("evaluating", done, count),
    )
