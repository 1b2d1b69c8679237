"""Scores of generated images, each with the protocol that it was measured under.

FID of one model moves by half with the number of images alone, so a number without its protocol
cannot be compared with anything. `Evaluator.evaluate` returns both together, ready to be written as
one line of metrics.jsonl.
"""

import difflib
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.metrics.extraction import (
    Interrupted,
    Progress,
    ShouldStop,
    array_batches,
    extract_features,
)
from adavit.metrics.features import FeatureExtractor
from adavit.metrics.reference import RealScore, Reference

__all__ = ["EvaluationProtocol", "Evaluator", "Interrupted", "recorded_name"]

METRICS = ("fid", "kid")


@dataclass(frozen=True)
class EvaluationProtocol:
    """How a record was measured, but for what the caller adds: seed, truncation, labels, ...

    Attributes:
        extractor: Name of the feature extractor.
        weights_digest: sha256 of its weights.
        extractor_resize: How it resizes what it sees.
        device: "cpu" or "cuda"; the same images score alike on both, but not to the bit.
        n_fake: Generated images.
        n_real: Reference images.
        n_heldout: Held-out images of the floor; None where there is no floor.
        n_floor_reference: Reference images left for the floor; None where there is no floor.
        n_training: Images of the training score; None where there is none.
        n_half: Images in each half of the halves score; None where there is none.
        reference: Name of the reference set.
        reference_fingerprint: Content digest of the reference set, as the caller knows it.
        resolution: Side of the images in pixels, or "height x width".
        channels: Channels of the reference images.
        kid: Which estimator of the kernel distance this is.
        versions: Versions of the packages that the numbers depend on.
    """

    extractor: str
    weights_digest: str
    extractor_resize: str
    device: str
    n_fake: int
    n_real: int
    n_heldout: int | None
    n_floor_reference: int | None
    n_training: int | None
    n_half: int | None
    reference: str
    reference_fingerprint: str
    resolution: int | str
    channels: int
    kid: str
    versions: dict[str, str]


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
        metrics: What to measure, of "fid", "kid"; the first is the one that training watches.
        heldout_images: Real images never trained on, for the floor. Those in the reference are left
            out of it there.
        training_images: The images trained on, where they are a part of the reference.
        cache_dir: Where features of real images are kept. None keeps none.
        batch: Images per call of the extractor. None takes what is fastest on its device.

    Attributes:
        names: Names of the metrics as recorded, for example ("fid", "kid") or ("fd_random",
            "kid_random").

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
        metrics: Sequence[str] = METRICS,
        heldout_images: np.ndarray | Tensor | None = None,
        training_images: np.ndarray | Tensor | None = None,
        cache_dir: Path | None = None,
        batch: int | None = None,
    ) -> None:
        self.extractor = extractor
        self.metrics = tuple(metrics)
        self.names = tuple(recorded_name(metric, extractor) for metric in self.metrics)
        if not self.metrics or len(set(self.metrics)) < len(self.metrics):
            raise UserError(
                f"--metrics is '{','.join(self.metrics)}', but must name each metric once. Use "
                "--metrics fid,kid."
            )
        self._images = _as_array(reference_images)
        self._fingerprint = reference_fingerprint
        self._name = reference_name
        if len(self._images) < 2:
            raise UserError(
                f"the reference '{reference_name}' has {len(self._images)} images, but a distance "
                "needs at least 2 (and some hundreds to mean anything). Add images, or name "
                "another set with --metric-data."
            )
        self._heldout = None if heldout_images is None else _as_array(heldout_images)
        self._training = None if training_images is None else _as_array(training_images)
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
                heldout=self._heldout,
                training=self._training,
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
    ) -> dict[str, Any]:
        """Scores generated images.

        Args:
            generated: Batches of images uint8 [B, C, H, W], of the reference's height and width; C
                may differ.
            protocol: What the caller knows of them (seed, truncation, labels, ...), added to the
                record's protocol.
            progress: Called with the number of generated images done so far.
            should_stop: Asked between batches.

        Returns:
            By recorded name `fid` (or `fd_random`, ...): `fid` itself; `fid_floor`, `fid_training`,
            `fid_halves`, the scores of real images (see `adavit.metrics.reference`) where they can
            be had; `fid_at_floor`, the score of as many generated images as the floor has held-out
            ones, against the same images: compare the floor with this. And `protocol`.

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
        reference = self.prepare(should_stop=should_stop)
        features = extract_features(
            self.extractor,
            self._checked(generated),
            batch=self._batch,
            progress=progress,
            should_stop=should_stop,
        )
        record: dict[str, Any] = self._named(reference.distances(features, "generated images"))
        for kind, score in reference.scores.items():
            record |= self._named(score.distances, f"_{kind}")
        floor = reference.scores.get("floor")
        if floor is not None and reference.floor_side is not None and len(features) >= floor.count:
            # The Frechet distance falls with the number of images: only equal numbers compare with
            # the floor.
            matched = reference.floor_side.distances(features[: floor.count], "generated images")
            record |= self._named(matched, "_at_floor")
        own = self._protocol(len(features), reference.scores)
        record["protocol"] = {f.name: getattr(own, f.name) for f in fields(own)} | extra
        return record

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
                    f"'{self._name}' has {self._images.shape[1:]}. Bring both to the same "
                    "--resolution."
                )
            yield images

    def _named(self, distances: Mapping[str, float], ending: str = "") -> dict[str, float]:
        return {
            name + ending: distances[metric]
            for name, metric in zip(self.names, self.metrics, strict=True)
        }

    def _protocol(self, fakes: int, scores: Mapping[str, RealScore]) -> EvaluationProtocol:
        counts = {kind: score.count for kind, score in scores.items()}
        floor = scores.get("floor")
        height, width = self._images.shape[2:]
        return EvaluationProtocol(
            extractor=self.extractor.name,
            weights_digest=self.extractor.weights_digest,
            extractor_resize=self.extractor.resize,
            device=self.extractor.device.type,
            n_fake=fakes,
            n_real=len(self._images),
            n_heldout=counts.get("floor"),
            n_floor_reference=None if floor is None else floor.reference_count,
            n_training=counts.get("training"),
            n_half=counts.get("halves"),
            reference=self._name,
            reference_fingerprint=self._fingerprint,
            resolution=int(height) if height == width else f"{height} x {width}",
            channels=int(self._images.shape[1]),
            kid="unbiased, all images",
            versions={
                "torch": str(torch.__version__),  # a plain string, which a checkpoint may hold
                "torch_fidelity": importlib.metadata.version("torch_fidelity"),
            },
        )


def recorded_name(metric: str, extractor: FeatureExtractor) -> str:
    """The name a metric is recorded under: `fid` belongs to Inception alone.

    Args:
        metric: "fid" or "kid", as the user names it.
        extractor: What it is measured with.

    Returns:
        For example "fid", or "fd_random" with the random extractor.

    Raises:
        UserError: If the metric is unknown.
    """
    if metric not in METRICS:
        close = difflib.get_close_matches(metric, METRICS, n=1)
        hint = f"Did you mean {close[0]}?" if close else "Use --metrics fid,kid."
        raise UserError(f"--metrics names '{metric}', but must be of {', '.join(METRICS)}. {hint}")
    if not extractor.suffix:
        return metric
    return ("fd" if metric == "fid" else metric) + extractor.suffix


def _as_array(images: np.ndarray | Tensor) -> np.ndarray:
    array = images.cpu().numpy() if isinstance(images, Tensor) else images
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1] not in (1, 3, 4):
        raise UserError(
            f"images have shape {array.shape} and type {array.dtype}, but metrics need uint8 [N, "
            "C, H, W] with 1, 3 or 4 channels. Convert them first."
        )
    return array
