"""Chooses the feature extractor: the one asked for, or the best whose weights are there.

Each is imported when it is chosen: torch-fidelity and torchvision take their time, and those that
come with the package need neither.
"""

from dataclasses import replace
from pathlib import Path

import torch

from adavit.errors import UserError
from adavit.metrics.extractors.drawn_features import drawn_features
from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.extractors.names import (
    CLIP_NAMES,
    WITH_INCEPTION,
    ExtractorName,
    check_extractor,
)
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.extractors.weight_files import (
    HashedFile,
    WeightsAbsentError,
    file_digest,
    read_tensors,
)
from adavit.runtime.paths import expand_home

Chosen = tuple[FeatureExtractor, str | None]


def choose_extractor(
    requested: ExtractorName,
    *,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    allow_download: bool = True,
) -> Chosen:
    """Builds the extractor before the first step, so that absent weights are found out then.

    Args:
        requested: One of `EXTRACTORS`; "auto" is Inception where its weights are there or can be
            downloaded, else random. "drawn" knows the drawings of `small_set` alone: who calls this sees to it.
        weights: Weights file for Inception. None takes torch-fidelity's own, downloaded when
            missing.
        device: Where it runs.
        allow_download: False looks for published weights on the disk only.

    Returns:
        The extractor, and a note for the log or None.

    Raises:
        UserError: If there is no such extractor, its weights are absent or unfit, or `weights` is
            given to another one than Inception.
    """
    check_extractor(requested)
    chosen = torch.device(device)
    name, _, rest = requested.partition(":")
    if name not in WITH_INCEPTION and weights is not None:
        raise UserError(
            f"inception weights {weights} were given together with extractor {requested}, which does"
            " not use them. Leave one of the two out."
        )
    if name == "torchvision":
        return _torchvision(requested, rest, chosen), None
    if name == "vgg16":
        return _vgg16(expand_home(Path(rest)) if rest else None, chosen, allow_download)
    if requested in ("auto", "inception"):
        return _inception(requested, weights, chosen, allow_download)
    if requested == "random":
        return RandomFeatures(chosen), None
    if requested == "drawn":
        return drawn_features(chosen), None
    if requested == "lpips-vgg16":
        return _lpips(chosen, allow_download), None
    from adavit.metrics.extractors.fidelity import downloaded_features

    kind = "TorchScript" if requested in CLIP_NAMES else "Python code from torch.hub"
    note = (
        f"Warning: extractor {requested} runs what it downloads ({kind}), since its weights"
        " cannot be read as mere numbers."
    )
    return downloaded_features(requested, chosen), note


def _inception(
    requested: str, weights: Path | None, device: torch.device, allow_download: bool
) -> Chosen:
    from adavit.metrics.extractors.inception import (
        INCEPTION_WEIGHTS,
        InceptionFeatures,
        expected_state,
    )

    try:
        found = (
            HashedFile(weights)
            if weights
            else INCEPTION_WEIGHTS.find(allow_download=allow_download)
        )
    except WeightsAbsentError as error:
        if requested == "inception":
            raise
        note = (
            f"Warning: {error.what}, so a random network measures: its figures, such as fd_random, compare"
            f" with each other alone. For Inception's, fetch {INCEPTION_WEIGHTS.url} and give it with"
            f" {INCEPTION_WEIGHTS.named_as}."
        )
        return RandomFeatures(device), note
    state = INCEPTION_WEIGHTS.read(found.path, expected_state())
    note_weights = INCEPTION_WEIGHTS.note_on(found, "these fid and kid")
    return InceptionFeatures(state, found.digest, device), note_weights


def _vgg16(file: Path | None, device: torch.device, allow_download: bool) -> Chosen:
    from adavit.metrics.extractors.fidelity import (
        VGG16_WEIGHTS,
        expected_vgg16_state,
        vgg16_features,
    )

    found = HashedFile(file) if file else VGG16_WEIGHTS.find(allow_download=allow_download)
    state = VGG16_WEIGHTS.read(found.path, expected_vgg16_state())
    note = VGG16_WEIGHTS.note_on(found, "this precision and recall")
    return vgg16_features(state, found.digest, device), note


def _lpips(device: torch.device, allow_download: bool) -> FeatureExtractor:
    from adavit.metrics.extractors.fidelity import VGG16_WEIGHTS, expected_vgg16_state
    from adavit.metrics.extractors.lpips import LPIPS_WEIGHTS, LpipsFeatures, expected_lpips_state

    published = replace(VGG16_WEIGHTS, named_as=None)  # a file of one's own makes another extractor
    vgg16 = published.find(allow_download=allow_download)
    layers = LPIPS_WEIGHTS.find(allow_download=allow_download)
    return LpipsFeatures(
        published.read(vgg16.path, expected_vgg16_state()),
        LPIPS_WEIGHTS.read(layers.path, expected_lpips_state()),
        device,
    )


def _torchvision(requested: str, rest: str, device: torch.device) -> FeatureExtractor:
    from adavit.metrics.extractors.torchvision_features import TorchvisionFeatures

    architecture, _, file = rest.partition(":")
    path = expand_home(Path(file))
    state = read_tensors(path, f"extractor {requested}", f"a state dict of {architecture}")
    return TorchvisionFeatures(architecture, state, file_digest(path), device)
