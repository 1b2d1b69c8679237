"""Features of real images kept on disk, so that they are extracted once per data set and extractor.

What else is costly and small enough is kept the same way.

The file's name is a digest of everything the features depend on: the pixels, the extractor, its
weights, the kind of device and the version of this code. So a stale file is never found, and one
changed pixel is another file.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from adavit.data.digests import images_digest
from adavit.metrics.extractors.extractor import FeatureExtractor, tensors_digest
from adavit.runtime.cache_folder import cache_limit_bytes, make_own_folder, mark_used, trim
from adavit.runtime.files import write_bytes

FEATURES_VERSION = 2  # raise it when an extractor's code changes what it returns

logger = logging.getLogger(__name__)


def cache_key(images: np.ndarray, extractor: FeatureExtractor) -> str:
    """What the features of `images` under `extractor` are filed under, 64 hexadecimal digits."""
    parts = {
        "images": images_digest(images),
        "extractor": extractor.name,
        "weights": extractor.weights_digest,
        "resize": extractor.resize,
        "device": extractor.device.type,
        "version": FEATURES_VERSION,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def cached_features(cache_dir: Path, key: str, compute: Callable[[], Tensor]) -> Tensor:
    """Features from the cache, or computed and put there.

    A file that is damaged is computed anew. A folder that cannot be written costs time, not the
    run: it is logged.

    Args:
        cache_dir: The cache; features lie in a folder of it, made when missing.
        key: From `cache_key`.
        compute: Returns the features [N, F], float32, on any device.

    Returns:
        Features [N, F], float32, on the CPU.

    Raises:
        UserError: If the limit of the cache is no number; nothing is computed then.
    """
    cache_limit_bytes()
    path = cache_dir / "features" / f"features-{key[:32]}.safetensors"
    features = _read(path, key)
    if features is None:
        features = compute().cpu()
        try:
            make_own_folder(path.parent)
            _write(path, key, features)
            mark_used(path)
            trim(cache_dir)
        except OSError as error:
            logger.warning("What was computed is not cached in %s: %s", cache_dir, error)
    return features


def _read(path: Path, key: str) -> Tensor | None:
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            noted = file.metadata() or {}
            features = file.get_tensor("features")
    except (SafetensorError, OSError, ValueError) as error:
        logger.warning("%s is damaged and is made anew: %s", path, error)
        return None
    if noted.get("key") != key or noted.get("digest") != tensors_digest({"features": features}):
        logger.warning("%s does not hold what it says and is made anew", path)
        return None
    mark_used(path)
    return features


def _write(path: Path, key: str, features: Tensor) -> None:
    metadata = {"key": key, "digest": tensors_digest({"features": features})}
    write_bytes(path, save({"features": features.to(torch.float32).contiguous()}, metadata))
