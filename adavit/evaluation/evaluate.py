"""`evaluate`: the metrics of a run, a generator file, or images, against real images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adavit.data.reading import GivenReading
from adavit.evaluation.evaluation import Evaluation
from adavit.evaluation.protocol import fakes_of, find_protocol
from adavit.evaluation.reference_set import ReferenceChoice
from adavit.evaluation.requested_metrics import (
    refuse_flags_of_generators,
    refuse_flags_of_references,
    with_subsets,
)
from adavit.evaluation.sources import GeneratorSource, ImageSource, open_source
from adavit.metrics import ExtractorName
from adavit.runs.json_lines import append_record
from adavit.runtime.console import Console, SilentConsole
from adavit.runtime.paths import takes_paths


@takes_paths("source", "data", "inception_weights", "data_root")
def evaluate(
    source: str,
    *,
    data: str | None = None,
    metrics: Sequence[str] = ("fid", "kid"),
    extractor: ExtractorName = "auto",
    inception_weights: Path | None = None,
    protocol: str | None = None,
    fakes: int | None = None,
    which: str | None = None,
    truncation: float | None = None,
    seed: int | None = None,
    data_root: Path | None = None,
    reading: GivenReading | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> dict[str, Any]:
    """Scores generated images.

    Examples:
        >>> record = evaluate("runs/00000-small_set-resnet-bgc", protocol="quick5k")
        >>> record["fd_drawn"], record["kinds"], record["protocol"]["n_real"]

    Args:
        source: A run directory, a generator file, a folder or zip of images, or the name of a set.
        data: What to compare with, any of these too; None takes what the run's metrics or `protocol` mean.
        metrics: Of `adavit.metrics.METRICS`; "kid" gives its form over subsets too.
        extractor: As `adavit.metrics.choose_extractor`.
        inception_weights: Inception's weights as a file.
        protocol: One of `adavit.evaluation.protocol.PROTOCOLS`; None is `fakes` against `data`.
        fakes: Generated images; None takes as many as the run did, or all of a folder's.
        which: "best" or "last" generator of a run; None is the best.
        truncation: Factor on the distance of w from its average; None and 1 are none.
        seed: Start of the random stream; None takes the run's, which repeats the run's own figure with the `extractor`
            and the `inception_weights` that it was given. Of a folder it draws the `fakes` images, of each sub-folder
            its share; None is 0 then.
        data_root: Where downloaded sets are kept.
        reading: What of an `adavit.data.Reading` is asked for in folders and zips on both sides; the rest of it is,
            for `data`, as the run read its own, and otherwise by default.
        device: As `adavit.runtime.devices.choose_device`.
        console: Told how it goes; None says nothing.

    Returns:
        The figures by recorded name; `protocol`, all they were measured under; `source`, what was
        evaluated; `notes`, what to bear in mind. Where the discriminator has seen a network related to the
        extractor, `beside` has figures of another one; of "auto" those are the related one's. A run keeps it in
        its evaluations.jsonl as well.

    Raises:
        UserError: If something is absent or does not fit.
        RunError: If a figure is not finite.
    """
    names = with_subsets(metrics)
    subject = open_source(source, "SOURCE", which=which)
    if isinstance(subject, ImageSource):
        refuse_flags_of_generators(subject.name, names, which, truncation)
    row = None if protocol is None else find_protocol(protocol)
    evaluation = Evaluation(
        names,
        extractor,
        inception_weights=inception_weights,
        reading=reading or {},
        device=device,
        console=console or SilentConsole(),
        name=protocol,
    )
    if not evaluation.image_metrics:
        refuse_flags_of_references(names, data, protocol, reading or {})
    count = fakes_of(row, fakes)
    if isinstance(subject, GeneratorSource) and count is None:
        count = subject.config.metrics.fakes
    reference = None
    if evaluation.image_metrics:
        reference = ReferenceChoice(
            subject,
            data,
            row,
            count=count,
            seed=seed,
            data_root=data_root,
            reading=reading or {},
            activity=evaluation.console.activity,
        ).load()
        for note in reference.images.notes:
            evaluation.console.note(note)
    if isinstance(subject, GeneratorSource):
        assert count is not None
        record = evaluation.of_generator(subject, reference, count, seed, truncation)
    else:
        assert reference is not None
        record = evaluation.of_images(subject, reference, count, seed or 0, data_root)
    _keep(record, subject, evaluation.console)
    return record


def _keep(
    record: dict[str, Any],
    subject: GeneratorSource | ImageSource,
    console: Console,
) -> None:
    if isinstance(subject, GeneratorSource) and subject.run is not None:
        log = subject.run.evaluations
        try:
            append_record(log, record)
        except OSError as error:
            console.note(f"Warning: the record is not added to {log} ({error.strerror}).")
