"""Which extractor a run uses: what was asked for, or the best that is there."""

from pathlib import Path
from typing import Literal

import torch

from adavit.errors import UserError
from adavit.metrics.features import FeatureExtractor
from adavit.metrics.inception import InceptionFeatures
from adavit.metrics.inception_weights import (
    DIGEST_PREFIX,
    WeightsAbsentError,
    file_digest,
    find_weights,
    read_weights,
)
from adavit.metrics.random_features import RandomFeatures

ExtractorName = Literal["auto", "inception", "random"]


def choose_extractor(
    requested: ExtractorName,
    *,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    allow_download: bool = True,
) -> tuple[FeatureExtractor, str | None]:
    """Builds the extractor before the first step, so that absent weights are found out then.

    Args:
        requested: "inception", "random", or "auto": Inception where its weights are there or can be
            downloaded, else random.
        weights: Weights file for Inception. None takes torch-fidelity's own, downloaded when
            missing.
        device: Where it runs; on "mps", which lacks float64, it runs on the CPU.
        allow_download: False looks for the weights on the disk only.

    Returns:
        The extractor, and a note for the log or None.

    Raises:
        UserError: If Inception was asked for and its weights are absent, or a weights file is
            unfit, or `weights` is given to an extractor that has none.
    """
    if requested not in ("auto", "inception", "random"):
        raise UserError(
            f"--extractor is '{requested}', but must be auto, inception or random. Use one of "
            "these."
        )
    chosen = torch.device(device)
    if chosen.type == "mps":
        chosen = torch.device("cpu")
    if requested == "random":
        if weights is not None:
            raise UserError(
                f"--inception-weights {weights} was given together with --extractor random, which "
                "has no weights file. Drop one of the two."
            )
        return RandomFeatures(chosen), None
    try:
        path = find_weights(allow_download=allow_download) if weights is None else weights
    except WeightsAbsentError as error:
        if requested == "inception":
            raise
        note = (
            f"{error} This run goes on with the random extractor: fd_random, kid_random, not fid."
        )
        return RandomFeatures(chosen), note
    state = read_weights(path)
    digest = file_digest(path)
    note_weights = None
    if not digest.startswith(DIGEST_PREFIX):
        note_weights = (
            f"{path} (sha256 {digest[:8]}...) is not the Inception file that torch-fidelity ships "
            f"({DIGEST_PREFIX}...): these fid and kid are not comparable with published ones, "
            "unless it holds the same weights."
        )
    return InceptionFeatures(state, digest, chosen), note_weights
