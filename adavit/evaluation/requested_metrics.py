"""The metrics that `evaluate` was asked for: checked, completed, and which of them a feature network can measure."""

from collections.abc import Mapping, Sequence

from adavit.errors import UserError
from adavit.evaluation.generator_measures import GENERATOR_MEASURES
from adavit.metrics import FeatureExtractor
from adavit.metrics.measures import MEASURES
from adavit.metrics.names import METRICS, check_names, recorded_name

FEW_IMAGES = 1000
"""So many images or fewer on a side, and a Frechet distance is said to be biased, whatever the extractor."""


def with_subsets(metrics: Sequence[str]) -> list[str]:
    """The metrics, each known and named once; KID in its published form too.

    Raises:
        UserError: If one is unknown or repeated.
    """
    check_names(metrics, METRICS)
    names = list(metrics)
    if "kid" in names and "kid_subsets" not in names:
        names.insert(names.index("kid") + 1, "kid_subsets")
    return names


def with_unbiased(
    metrics: Sequence[str], network: FeatureExtractor, *, fakes: int, real: int
) -> tuple[list[str], list[str]]:
    """The metrics with KID beside a Frechet distance of few images, and a note that says why.

    Args:
        metrics: That a network measures.
        network: That network.
        fakes: Generated images.
        real: Reference images.
    """
    names = list(metrics)
    if "fid" not in names or min(fakes, real) > max(FEW_IMAGES, network.features):
        return names, []
    names += [metric for metric in ("kid", "kid_subsets") if metric not in names]
    note = (
        f"{recorded_name('fid', network.name)} of {fakes:,} against {real:,} images is"
        " biased upwards, the more the fewer they are: compare it at equal numbers only,"
        f" and read {recorded_name('kid', network.name)} beside it, which is unbiased."
    )
    return names, [note]


def check_measurable(metrics: Sequence[str], network: FeatureExtractor) -> None:
    """Refuses metrics that a network cannot measure.

    Raises:
        UserError: Naming the first of them.
    """
    for name in metrics:
        measure = GENERATOR_MEASURES.get(name) or MEASURES[name]
        measure.check_extractor(network)


def measurable(metrics: Sequence[str], network: FeatureExtractor) -> list[str]:
    """Those of the metrics that a network can measure."""
    found = []
    for name in metrics:
        try:
            check_measurable([name], network)
        except UserError:
            continue
        found.append(name)
    return found


def refuse_flags_of_references(
    metrics: Sequence[str],
    data: str | None,
    protocol: str | None,
    reading: Mapping[str, object],
) -> None:
    """Refuses what says which real images are compared with, where none are.

    Args:
        metrics: Asked for, all of them of a generator by itself.
        data: `--data`.
        protocol: `--protocol`.
        reading: Of the images, as it was given.

    Raises:
        UserError: If one of them was given.
    """
    flags = {"--data": data, "--protocol": protocol}
    flags |= {f"--{name.replace('_', '-')}": str(value) for name, value in reading.items()}
    for flag, value in flags.items():
        if value is not None:
            raise UserError(
                f"{flag} is {value}, but --metrics {','.join(metrics)} compares with no other images. Leave it out, or"
                " name fid or another such metric too."
            )


def refuse_flags_of_generators(
    name: str, metrics: Sequence[str], which: str | None, truncation: float | None
) -> None:
    """Refuses for images what takes a generator.

    Args:
        name: Of the images, as the user gave it.
        metrics: Asked for.
        which: `--which`.
        truncation: `--truncation`.

    Raises:
        UserError: If one of them was given.
    """
    flags = {"--which": which, "--truncation": truncation}
    given = [(flag, value) for flag, value in flags.items() if value is not None]
    given += [("--metrics", metric) for metric in metrics if metric in GENERATOR_MEASURES]
    for flag, value in given:
        raise UserError(
            f"{flag} is {value}, which takes a generator, but {name!r} is read as images."
            " Leave it out, or name a run or a .safetensors file."
        )
