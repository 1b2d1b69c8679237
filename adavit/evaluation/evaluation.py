"""One evaluation of a generator or of images: in which feature spaces, with which figures and notes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from adavit.data import ImageSet, draw_evenly
from adavit.data.reading import GivenReading, Reading
from adavit.errors import UserError
from adavit.evaluation.generator_measures import GENERATOR_MEASURES, generator_figures
from adavit.evaluation.protocol import protocol_without_real_images
from adavit.evaluation.reference_set import ReferenceSet
from adavit.evaluation.requested_metrics import check_measurable, measurable, with_unbiased
from adavit.evaluation.run_images import CHANNEL_NAMES, load_reference, split_name
from adavit.evaluation.scoring import (
    build_evaluator,
    choose_networks,
    generator_protocol,
    score_with,
)
from adavit.evaluation.sources import GeneratorSource, ImageSource, left_out
from adavit.metrics import ExtractorName, FeatureExtractor
from adavit.metrics.kinship import NOTHING, UNKNOWN, UNKNOWN_LEGEND
from adavit.metrics.measures import MEASURES
from adavit.models import Generator
from adavit.runs.records import BESIDE
from adavit.runtime.console import Console
from adavit.runtime.devices import choose_device


class Evaluation:
    """What is measured, with what, and where it is told.

    Args:
        metrics: With their subsets, see `requested_metrics.with_subsets`.
        extractor: As `adavit.metrics.choose_extractor`.
        inception_weights: Inception's weights as a file.
        reading: As for `evaluate`.
        device: As `adavit.runtime.devices.choose_device`.
        console: Told how it goes.
        name: Of the protocol, for the record; None without one.

    Attributes:
        image_metrics: Those that are measured of images.
        console: The same.
    """

    def __init__(
        self,
        metrics: list[str],
        extractor: ExtractorName,
        *,
        inception_weights: Path | None,
        reading: GivenReading,
        device: str,
        console: Console,
        name: str | None,
    ) -> None:
        self._metrics = metrics
        self.image_metrics = [name for name in metrics if name in MEASURES]
        self.console = console
        self._extra = {"name": name}
        self._requested = extractor
        self._weights = inception_weights
        self._reading = Reading(**reading)
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
        known = stored.images or not stored.origin  # an imported one need not say
        further = [] if reference is None else reference.notes
        record = self._finished(measured, subject.describe(), further)
        return {**({"images": stored.images} if known else {}), **record}

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
        # A network beside the one that was asked for may measure nothing of images, but the generator.
        if reference is not None and measurable(self.image_metrics, network):
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
        of_generators = [name for name in self._metrics if name in GENERATOR_MEASURES]
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
        record["protocol"] |= self._extra
        return record, notes

    def of_images(
        self,
        subject: ImageSource,
        reference: ReferenceSet,
        count: int | None,
        seed: int,
        data_root: Path | None,
    ) -> dict[str, Any]:
        """The record of images; of those that a generator of ours drew as if of that."""
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
        is_unknown = images.discriminator_saw is None and not subject.is_known_set
        seen = images.discriminator_saw or ()
        networks = self._networks(reference, seen, [images.source] * subject.is_known_set)
        protocol = {
            "seed": seed if count < len(images) else None,
            "truncation": None,
            "labels": None,
            "discriminator_saw": UNKNOWN if is_unknown else list(seen) or None,
        }
        measured = [self._of_pixels(each, pixels, reference, protocol) for each in networks]
        described = {
            "kind": "images",
            "name": subject.name,
            "split": split_name(images),
            "fingerprint": images.fingerprint,
        }
        notes = [left_out(images.skipped)] if images.skipped else []
        if is_unknown and any(network.learned_from != NOTHING for network in networks):
            notes.append(UNKNOWN_LEGEND)
        return self._finished(measured, described, notes)

    def _of_pixels(
        self,
        network: FeatureExtractor,
        pixels: np.ndarray,
        reference: ReferenceSet,
        protocol: dict[str, Any],
    ) -> tuple[dict[str, Any], list[str]]:
        """The figures of images in one feature space with their protocol, and notes on them."""
        count = len(pixels)
        evaluator, notes = self._evaluator(network, reference, count)
        record = evaluator.evaluate_images(
            pixels,
            protocol=protocol | self._extra,
            progress=lambda done: self.console.activity("evaluating", done, count),
        )
        return record, notes

    def _load(self, subject: ImageSource, real: ImageSet, data_root: Path | None) -> ImageSet:
        return load_reference(
            subject.name,
            "SOURCE",
            resolution=real.resolution,
            channels=CHANNEL_NAMES[real.channels],
            data_root=data_root,
            progress=partial(self.console.activity, "decoding"),
            reading=self._reading,
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
        check_measurable(self._metrics, asked)
        others = [network for network in others if measurable(self._metrics, network)]
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
        self,
        measured: Sequence[tuple[dict[str, Any], list[str]]],
        source: dict[str, Any],
        further: Sequence[str],
    ) -> dict[str, Any]:
        """The record of what was measured in each feature space; notes on the first of them count."""
        (leading, notes), *others = measured
        notes = [*notes, *further]
        for note in notes:
            self.console.note(note)
        beside = {BESIDE: [record for record, _ in others]} if others else {}
        protocol = leading.pop("protocol")
        return {**leading, **beside, "protocol": protocol, "source": source, "notes": notes}
