"""Metrics of images: feature extractors, and distances between the features of two sets.

    extractor, note = choose_extractor("auto", device="cpu")
    features = extract_features(extractor, batches_of_images)

Images are uint8 [B, C, H, W] everywhere; distances are float64. This room knows nothing of runs or flags:
its messages say "extractor" and "generate more", and who knows the flags adds them.
"""

from typing import TYPE_CHECKING

from adavit.runtime.on_demand import on_demand

__all__ = [
    "METRICS",
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

if TYPE_CHECKING:
    from adavit.metrics.distances import frechet_distance, kernel_distance
    from adavit.metrics.extractors.choice import choose_extractor
    from adavit.metrics.extractors.extractor import (
        FeatureExtractor,
        Interrupted,
        as_rgb,
        extract_features,
    )
    from adavit.metrics.extractors.names import ExtractorName
    from adavit.metrics.extractors.random_features import RandomFeatures
    from adavit.metrics.extractors.weight_files import WeightsAbsentError
    from adavit.metrics.names import METRICS, recorded_name
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "frechet_distance": "adavit.metrics.distances",
            "kernel_distance": "adavit.metrics.distances",
            "ExtractorName": "adavit.metrics.extractors.names",
            "choose_extractor": "adavit.metrics.extractors.choice",
            "FeatureExtractor": "adavit.metrics.extractors.extractor",
            "Interrupted": "adavit.metrics.extractors.extractor",
            "as_rgb": "adavit.metrics.extractors.extractor",
            "extract_features": "adavit.metrics.extractors.extractor",
            "RandomFeatures": "adavit.metrics.extractors.random_features",
            "WeightsAbsentError": "adavit.metrics.extractors.weight_files",
            "METRICS": "adavit.metrics.names",
            "recorded_name": "adavit.metrics.names",
        },
    )
