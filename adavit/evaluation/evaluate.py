"""`evaluate`: the metrics of a run, a generator file, or images, against real images."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from adavit.data import ImageSet, draw_evenly
from adavit.errors import UserError
from adavit.evaluation.generator_measures import GENERATOR_MEASURES, generator_figures
from adavit.evaluation.protocol import fakes_of, find_protocol, protocol_without_real_images
from adavit.evaluation.reference_set import ReferenceChoice, ReferenceSet
from adavit.evaluation.requested_metrics import (
    check_measurable,
    measurable,
    refuse_flags_of_generators,
    with_subsets,
    with_unbiased,
)
from adavit.evaluation.run_images import CHANNEL_NAMES, load_reference, split_name
from adavit.evaluation.scoring import (
    build_evaluator,
    choose_networks,
    generator_protocol,
    score_with,
)
from adavit.evaluation.sources import GeneratorSource, ImageSource, left_out, open_source
from adavit.metrics import ExtractorName, FeatureExtractor
from adavit.metrics.kinship import NOTHING, UNKNOWN, UNKNOWN_LEGEND
from adavit.metrics.measures import MEASURES
from adavit.models import Generator
from adavit.runs.json_lines import append_record
from adavit.runs.records import BESIDE
from adavit.runtime.console import Console, SilentConsole
from adavit.runtime.devices import choose_device
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
    reading: Mapping[str, Any] | None = None,
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
        seed: Start of the random stream; None takes the run's, which repeats the run's own figure. Of a
            folder it draws the `fakes` images, of each sub-folder its share; None is 0 then.
        data_root: Where downloaded sets are kept.
        reading: `frames`, `scale_16bit` and `follow_links` of `load_images`, for folders and zips on both
            sides; None reads `data` as the run read its own, and all else by default.
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
    evaluation = _Evaluation(
        names,
        extractor,
        inception_weights=inception_weights,
        reading=reading or {},
        device=device,
        console=console or SilentConsole(),
    )
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
    evaluation.extra = {"name": protocol}
    if isinstance(subject, GeneratorSource):
        assert count is not None
        record = evaluation.of_generator(subject, reference, count, seed, truncation)
    else:
        assert reference is not None
        record = evaluation.of_images(subject, reference, count, seed or 0, data_root)
    _keep(record, subject, evaluation.console)
    return record


class _Evaluation:
    """One evaluation: what is measured, with what, and where it is told."""

    def __init__(
        self,
        metrics: list[str],
        extractor: ExtractorName,
        *,
        inception_weights: Path | None,
        reading: Mapping[str, Any],
        device: str,
        console: Console,
    ) -> None:
        self.metrics = metrics
        self.image_metrics = [name for name in metrics if name in MEASURES]
        self.console = console
        self.extra: dict[str, Any] = {}
        self._requested = extractor
        self._weights = inception_weights
        self._reading = reading
        self._device = choose_device(device)

    def of_generator(
        self,
        subject: GeneratorSource,
        reference: ReferenceSet | None,
        count: int,
        seed: int | None,
        truncation: float | None,
    ) -> dict[str, Any]:
        """The record of a generator."""
        stored = subject.stored
        seen = stored.generator.discriminator_saw
        networks = self._networks(reference, seen, [subject.config.data.source])
        arguments: dict[str, Any] = {
            "seed": subject.config.run.seed if seed is None else seed,
            "label_counts": stored.label_counts,
            "truncation": 1.0 if truncation is None else truncation,
        }
        generator = stored.generator.to(self._device)
        measured = [
            self._of_network(each, generator, reference, count, arguments) for each in networks
        ]
        (leading, notes), *others = measured
        known = stored.images or not stored.origin  # an imported one need not say
        record = {**({"images": stored.images} if known else {}), **leading}
        if others:
            record[BESIDE] = [beside for beside, _ in others]
        notes += [] if reference is None else reference.notes
        return self._finished(record, subject.describe(), notes)

    def _of_network(
        self,
        network: FeatureExtractor,
        generator: Generator,
        reference: ReferenceSet | None,
        count: int,
        arguments: dict[str, Any],
    ) -> tuple[dict[str, Any], list[str]]:
        """The figures of a generator in one feature space with their protocol, and notes on them."""
        record: dict[str, Any] = {}
        notes: list[str] = []
        if reference is not None:
            evaluator, notes = self._evaluator(network, reference, count)
            record = score_with(
                evaluator,
                generator,
                fakes=count,
                progress=lambda done: self.console.activity("evaluating", done, count),
                **arguments,
            )
        else:
            described = protocol_without_real_images(
                network,
                fakes=count,
                resolution=generator.resolution.plain,
                channels=generator.image_channels,
            )
            record["protocol"] = described | generator_protocol(
                generator, seed=arguments["seed"], truncation=arguments["truncation"]
            )
        of_generators = [name for name in self.metrics if name in GENERATOR_MEASURES]
        found, settings = generator_figures(
            measurable(of_generators, network),
            generator,
            network,
            count=count,
            progress=lambda activity, done: self.console.activity(activity, done, count),
            **arguments,
        )
        record |= found
        record["protocol"]["settings"] |= settings
        record["protocol"] |= self.extra
        return record, notes

    def of_images(
        self,
        subject: ImageSource,
        reference: ReferenceSet,
        count: int | None,
        seed: int,
        data_root: Path | None,
    ) -> dict[str, Any]:
        """The record of images."""
        images = self._load(subject, reference.images, data_root)
        for note in images.notes:
            self.console.note(f"SOURCE: {note}")
        if count is not None and count > len(images):
            raise UserError(
                f"--fakes or --protocol asks for {count} images, but {subject.name!r} has"
                f" {len(images)}. Lower --fakes, or leave both out."
            )
        count = count or len(images)
        pixels = images.images
        if count < len(images):
            pixels = pixels[draw_evenly(images.labels, len(images), count, seed)]
        (network,) = self._networks(reference, (), [images.source] * subject.is_known_set)
        evaluator, notes = self._evaluator(network, reference, count)
        drawn_with = seed if count < len(images) else None
        seen = None if subject.is_known_set else UNKNOWN
        drawn = {"seed": drawn_with, "truncation": None, "labels": None, "discriminator_saw": seen}
        record = evaluator.evaluate_images(
            pixels,
            protocol=drawn | self.extra,
            progress=lambda done: self.console.activity("evaluating", done, count),
        )
        described = {
            "kind": "images",
            "name": subject.name,
            "split": split_name(images),
            "fingerprint": images.fingerprint,
        }
        if images.skipped:
            notes.append(left_out(images.skipped))
        if seen and network.learned_from != NOTHING:
            notes.append(UNKNOWN_LEGEND)
        return self._finished(record, described, notes)

    def _load(self, subject: ImageSource, real: ImageSet, data_root: Path | None) -> ImageSet:
        return load_reference(
            subject.name,
            "SOURCE",
            resolution=real.resolution,
            channels=CHANNEL_NAMES[real.channels],
            data_root=data_root,
            progress=partial(self.console.activity, "decoding"),
            **self._reading,
        )

    def _networks(
        self, reference: ReferenceSet | None, seen: Sequence[str], data: Sequence[str]
    ) -> list[FeatureExtractor]:
        """What to measure with: what was asked for, and, where that is related to what was seen, what is not.

        A network that was asked for by name comes first. `data`: sources of the subject's images or training images.
        """
        if self._requested == "lpips-vgg16" and self.image_metrics:
            raise UserError(
                f"--metrics names {','.join(self.image_metrics)}, but --extractor lpips-vgg16"
                f" compares pairs of images, which {', '.join(GENERATOR_MEASURES)} alone is made of."
                " Use --metrics ppl, or another --extractor."
            )
        networks = choose_networks(
            [self._requested],
            seen,
            data=[*data, *([] if reference is None else [reference.origin])],
            inception_weights=self._weights,
            device=self._device,
            console=self.console,
        )
        *others, asked = networks
        check_measurable(self.metrics, asked)
        others = [network for network in others if measurable(self.metrics, network)]
        return [*others, asked] if self._requested == "auto" else [asked, *others]

    def _evaluator(
        self, network: FeatureExtractor, reference: ReferenceSet, count: int
    ) -> tuple[Any, list[str]]:
        """The evaluator with the real side done, and notes on the numbers of images."""
        real = len(reference.images.images)
        compared, notes = with_unbiased(
            measurable(self.image_metrics, network), network, fakes=count, real=real
        )
        evaluator = build_evaluator(
            reference.images,
            metrics=compared,
            extractor=network,
            trained_on=reference.trained_on,
            split=reference.split,
            data_resize=reference.data_resize,
        )
        evaluator.settings(count)
        evaluator.prepare(
            progress=lambda done: self.console.activity("reading real images", done, real)
        )
        return evaluator, notes

    def _finished(
        self, record: dict[str, Any], source: dict[str, Any], notes: list[str]
    ) -> dict[str, Any]:
        for note in notes:
            self.console.note(note)
        protocol = record.pop("protocol")
        return {**record, "protocol": protocol, "source": source, "notes": notes}


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
