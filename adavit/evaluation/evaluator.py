"""Scores of generated images, each with the protocol that it was measured under.

FID of one model moves by half with the number of images alone, so a number without its protocol
cannot be compared with anything. `Evaluator.evaluate` returns both together, ready to be written as
one line of metrics.jsonl.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.evaluation.protocol import EvaluationProtocol, versions
from adavit.evaluation.sharing import decided, features_of_all
from adavit.metrics.bounded_pairs import bounded_figures, bounded_setting
from adavit.metrics.distances import TooFewImagesError, check_features
from adavit.metrics.extractors.extractor import (
    FeatureExtractor,
    Interrupted,
    Progress,
    ShouldStop,
    array_batches,
    extract_features,
)
from adavit.metrics.measures import MEASURES
from adavit.metrics.names import check_names, recorded_name
from adavit.metrics.reference import RealScore, Reference
from adavit.runtime.resolution import Resolution
from adavit.runtime.world import ALONE, World

__all__ = ["Evaluator", "Interrupted"]


GivesImages = Callable[[], np.ndarray | Tensor]
"""Images uint8 [N, C, H, W]."""


class Evaluator:
    """Compares generated images with one reference set, as often as wanted.

    Nothing is computed before `prepare` or the first `evaluate`. Global random state is never
    touched.

    Args:
        extractor: From `choose_extractor`.
        reference_images: Real images [N, C, H, W], uint8, N >= 2, without flips; may be
            memory-mapped.
        reference_fingerprint: Content digest of the reference set, for the record.
        reference_name: Name of the reference set, for the record and for messages.
        split: Which part of it, for the record.
        data_resize: How its files were brought to their resolution, for the record.
        metrics: What to measure, names in `MEASURES`; the first is the one that training watches.
        heldout_images: Gives the real images never trained on, for the floor. Those in the reference are left out of
            it there. Asked once, in `prepare`, and what it gave is not kept: these may be gigabytes.
        training_images: Likewise the images trained on, where they are a part of the reference.
        cache_dir: Where features of real images are kept. None keeps none.
        batch: Images per call of the extractor. None takes what is fastest on its device.

    Attributes:
        names: Names of the metrics as recorded, for example ("fid", "kid") or ("fd_random",
            "kid_random").
        reference_fingerprint: Content digest of the reference set.

    Raises:
        UserError: If a metric is unknown or images are too few or of a wrong type.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        reference_images: np.ndarray | Tensor,
        *,
        reference_fingerprint: str,
        reference_name: str,
        split: str = "all",
        data_resize: str | None = None,
        metrics: Sequence[str] = ("fid", "kid"),
        heldout_images: GivesImages | None = None,
        training_images: GivesImages | None = None,
        cache_dir: Path | None = None,
        batch: int | None = None,
    ) -> None:
        self.extractor = extractor
        self.metrics = tuple(metrics)
        check_names(self.metrics, tuple(MEASURES))
        self.names = tuple(recorded_name(metric, extractor.name) for metric in self.metrics)
        self._images = _as_array(reference_images)
        self.reference_fingerprint = reference_fingerprint
        self._name = reference_name
        self._split = split
        self._data_resize = data_resize
        if len(self._images) < 2:
            raise UserError(
                f"the reference '{reference_name}' has fewer than 2 images, which a distance needs "
                "(and some hundreds to mean anything). Add images, or compare with others."
            )
        self._heldout, self._training = heldout_images, training_images
        self._cache_dir = cache_dir
        self._batch = batch
        self._reference: Reference | None = None

    def prepare(
        self, *, progress: Progress | None = None, should_stop: ShouldStop | None = None
    ) -> Reference:
        """Extracts the features of the real images and scores them; once only.

        Args:
            progress: Called with the number of reference images done so far.
            should_stop: Asked between batches.

        Returns:
            The real side.

        Raises:
            Interrupted: If `should_stop` returned True.
            RunError: If a feature is not finite.
        """
        if self._reference is None:
            self._reference = Reference(
                self.extractor,
                self._images,
                heldout=None if self._heldout is None else _as_array(self._heldout()),
                training=None if self._training is None else _as_array(self._training()),
                metrics=self.metrics,
                cache_dir=self._cache_dir,
                batch=self._batch,
                progress=progress,
                should_stop=should_stop,
            )
        return self._reference

    def evaluate(
        self,
        generated: Iterable[Tensor | np.ndarray],
        *,
        protocol: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
        world: World = ALONE,
    ) -> dict[str, Any]:
        """Scores generated images.

        Args:
            generated: Batches of images uint8 [B, C, H, W], of the reference's height and width; C
                may differ.
            protocol: What the caller knows of them (seed, truncation, labels, ...), added to the
                record's protocol.
            progress: Called with the number of generated images done so far.
            should_stop: Asked between batches.
            world: Processes that each have a part of the images, in the order of ranks; rank 0 scores them.

        Returns:
            By recorded name `fid` (or `fd_random`, ...): `fid` itself, and so each metric, with its
            spread `..._std` where it has one; `fid_floor`, `fid_training`, `fid_halves`, the scores
            of real images (see `adavit.metrics.reference`) where they can be had; `fid_at_floor`,
            the score of as many generated images as the floor has held-out ones, against the same
            images: compare the floor with this. And `protocol`.

        Raises:
            Interrupted: If `should_stop` returned True.
            UserError: If there are fewer than two generated images, or of another size.
            RunError: If a feature is not finite.
            ValueError: If `protocol` names a field of `EvaluationProtocol`.
        """
        extra = dict(protocol or {})
        taken = extra.keys() & {field.name for field in fields(EvaluationProtocol)}
        if taken:
            raise ValueError(
                f"protocol has {sorted(taken)}, which the evaluator fills in. Rename them."
            )

        def extract() -> Tensor:
            if world.rank == 0:
                self.prepare(should_stop=should_stop)
            return extract_features(
                self.extractor,
                self._checked(generated),
                batch=self._batch,
                progress=progress,
                should_stop=should_stop,
            )

        features = features_of_all(world, extract)
        return decided(world, lambda: self._record(features, extra))

    def _record(self, features: Tensor, extra: Mapping[str, Any]) -> dict[str, Any]:
        reference = self.prepare()
        record: dict[str, Any] = self._figures(features, reference)
        for kind, score in reference.scores.items():
            record |= self._named(score.figures, f"_{kind}")
        floor = reference.scores.get("floor")
        if floor is not None and reference.floor_side is not None and len(features) >= floor.count:
            # The Frechet distance falls with the number of images: only equal numbers compare with
            # the floor.
            matched = reference.scored(
                features[: floor.count], reference.floor_side, "generated images"
            )
            record |= self._named(matched, "_at_floor")
        own = self._protocol(len(features), reference.scores)
        record["protocol"] = {f.name: getattr(own, f.name) for f in fields(own)} | dict(extra)
        return record

    def settings(self, fakes: int) -> dict[str, str]:
        """Settings of each metric for a number of generated images; tells before they are made if they are too few.

        Args:
            fakes: Generated images.

        Returns:
            Settings by metric.

        Raises:
            UserError: If the images of either side are too few for a metric.
        """
        real = len(self._images)
        with _flag_of_fakes_named():
            return {
                metric: bounded_setting(MEASURES[metric], fakes, real) for metric in self.metrics
            }

    def evaluate_images(self, images: np.ndarray | Tensor, **arguments: Any) -> dict[str, Any]:
        """Scores an array of images, for example a folder against another one.

        Args:
            images: Images [N, C, H, W], uint8, of the reference's height and width.
            **arguments: As for `evaluate`.

        Returns:
            The record of `evaluate`.
        """
        return self.evaluate(
            array_batches(_as_array(images), self._batch or self.extractor.batch), **arguments
        )

    def _checked(self, generated: Iterable[Tensor | np.ndarray]) -> Iterator[Tensor]:
        expected = self._images.shape[2:]
        for batch in generated:
            images = torch.as_tensor(batch)
            if tuple(images.shape[2:]) != expected:
                raise UserError(
                    f"generated images have shape {tuple(images.shape[1:])}, but the reference "
                    f"'{self._name}' has {self._images.shape[1:]}. Bring both to one resolution."
                )
            yield images

    def _figures(self, features: Tensor, reference: Reference) -> dict[str, float]:
        other = features.to(self.extractor.device)
        with _flag_of_fakes_named():
            check_features(other, "generated images")
        record: dict[str, float] = {}
        for name, metric in zip(self.names, self.metrics, strict=True):
            figures = bounded_figures(MEASURES[metric], other, reference, self.extractor)
            record |= {name + ending: figure for ending, figure in figures.items()}
        return record

    def _named(self, figures: Mapping[str, float], ending: str) -> dict[str, float]:
        return {
            name + ending: figures[metric]
            for name, metric in zip(self.names, self.metrics, strict=True)
            if metric in figures
        }

    def _protocol(self, fakes: int, scores: Mapping[str, RealScore]) -> EvaluationProtocol:
        counts = {kind: score.count for kind, score in scores.items()}
        floor = scores.get("floor")
        height, width = self._images.shape[2:]
        return EvaluationProtocol(
            extractor=self.extractor.name,
            weights_digest=self.extractor.weights_digest,
            extractor_learned_from=self.extractor.learned_from,
            extractor_resize=self.extractor.resize,
            device=self.extractor.device.type,
            n_fake=fakes,
            n_real=len(self._images),
            n_heldout=counts.get("floor"),
            n_floor_reference=None if floor is None else floor.reference_count,
            n_training=counts.get("training"),
            n_half=counts.get("halves"),
            reference=self._name,
            split=self._split,
            reference_fingerprint=self.reference_fingerprint,
            resolution=Resolution(height, width).plain,
            data_resize=self._data_resize,
            channels=int(self._images.shape[1]),
            settings=self.settings(fakes),
            versions=versions(),
        )


@contextmanager
def _flag_of_fakes_named() -> Iterator[None]:
    """Adds to an error over too few generated images how more are had; the metrics know no flags."""
    try:
        yield
    except TooFewImagesError as error:
        raise UserError(f"{error} --fakes says how many a generator draws.") from None


def _as_array(images: np.ndarray | Tensor) -> np.ndarray:
    array = images.cpu().numpy() if isinstance(images, Tensor) else images
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1] not in (1, 3, 4):
        raise UserError(
            f"images have shape {array.shape} and type {array.dtype}, but metrics need uint8 [N, "
            "C, H, W] with 1, 3 or 4 channels. Convert them first."
        )
    return array
