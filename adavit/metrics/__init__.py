"""Metrics of generated images: feature extractors, distances, and evaluation with its protocol.

    extractor, note = choose_extractor("auto", device="cpu")
    evaluator = Evaluator(
        extractor, real_images, reference_fingerprint=digest, reference_name="small_set"
    )
    record = evaluator.evaluate(batches_of_generated_images)

Images are uint8 [B, C, H, W] everywhere; distances are float64. This package knows nothing of
generators or runs.
"""

from adavit.metrics.distances import frechet_distance, kernel_distance
from adavit.metrics.evaluation import Evaluator
from adavit.metrics.extractors.choice import ExtractorName, choose_extractor
from adavit.metrics.extractors.extraction import Interrupted, extract_features
from adavit.metrics.extractors.extractor import FeatureExtractor, as_rgb
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.extractors.weight_files import WeightsAbsentError
from adavit.metrics.names import METRICS, recorded_name
from adavit.metrics.protocol import EvaluationProtocol

__all__ = [
    "METRICS",
    "EvaluationProtocol",
    "Evaluator",
    "ExtractorName",
    "FeatureExtractor",
    "Interrupted",
    "RandomFeatures",
    "WeightsAbsentError",
    "as_rgb",
    "choose_extractor",
    "extract_features",
    "frechet_distance",
    "kernel_distance",
    "recorded_name",
]
