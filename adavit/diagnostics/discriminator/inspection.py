"""`adavit inspect`: what the discriminator of a run looks at, as pictures and numbers.

All images are shown as they are, without augmentation, while in training the discriminator sees them
augmented. A convolutional discriminator has no attention, positions and patches; of it the logits and the saliency
are shown. A critic on frozen features beside it is asked head by head.
"""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from adavit.diagnostics.discriminator.feature_heads import judge
from adavit.diagnostics.discriminator.inspected_images import (
    ImagesOfOneKind,
    InspectedImages,
    OpenedInspection,
)
from adavit.diagnostics.discriminator.patches import draw_components, patch_components
from adavit.diagnostics.discriminator.pictures import (
    NAMES,
    LookedAt,
    draw_images,
    draw_layers,
    draw_logits,
)
from adavit.diagnostics.discriminator.positions import (
    draw_positions,
    neighbour_similarity,
    view_positions,
)
from adavit.diagnostics.discriminator.saliency import gradient_norms, input_gradients, saliency_maps
from adavit.errors import UserError
from adavit.models import ViTDiscriminator
from adavit.runtime.files import make_folder, write_bytes, write_json
from adavit.training.endings import steadier_settings
from adavit.training.trained_networks import TrainedNetworks
from adavit.watch.alarms import (
    Alarm,
    attention_alarms,
    losing_alarm,
    not_judged,
    overfitting_alarm,
)
from adavit.watch.attention_flow import effective_share
from adavit.watch.figures import EncoderFigures, measure_encoder
from adavit.watch.logits import LogitFigures, images_compared, logits_of, windows

ATTENTION_IMAGES = 128
"""Images over which attention is averaged, as in the ViT paper (arXiv:2010.11929, appendix D.7)."""

SHOWN = 8
"""Images of each side in the picture."""

INSPECTION = "inspection.json"

NO_ATTENTION = (
    "The discriminator is convolutional: attention, token similarity, position embedding and patch"
    " embedding do not apply to it."
)


def inspect(inspection: OpenedInspection) -> dict[str, Any]:
    """Shows what a discriminator looks at.

    Writes `inspection.json`, `images.png` and `logits.png`, and for a vision transformer
    `attention.png`, `patches.png` and, where the position embedding has something to show, `positions.png`.

    Args:
        inspection: The run and the images, opened.

    Returns:
        What is written to `inspection.json`.

    Raises:
        UserError: If the discriminator's logits are not finite.
    """
    run, inspected, device = inspection.run, inspection.images, inspection.device
    make_folder(inspection.folder)
    run.discriminator.to(device)
    compared = {kind: inspected.kinds[kind] for kind in (inspected.real, "generated")}
    looks: dict[str, LookedAt] = {}
    record: dict[str, Any] = {"protocol": inspected.protocol}
    alarms: list[Alarm] = []

    inspection.console.activity("looking at logits", 0, 2)
    logits, alarms_of_logits = _logits(run, inspected, device)
    record["logits"] = logits.as_record()
    unknown = not_judged(logits)
    record["saliency"] = {}
    for kind, side in compared.items():
        norms, looks[kind] = _saliency(run, side, logits.by_kind[kind], device)
        record["saliency"][kind] = {"images": len(norms), "gradient_norm": _moments(norms)}

    if run.critic is not None:
        inspection.console.activity("asking the heads on frozen features", 1, 2)
        # Heads beside a discriminator have a loss of their own, features.loss, which has a threshold.
        signs = logits.threshold_at_zero or run.config.discriminator.kind != "projected"
        heads = judge(run.critic.to(device), inspected, device, threshold_at_zero=signs)
        (network,) = run.critic.frozen
        record["features"] = {
            "network": network.architecture,
            "side": network.side,
            "heads": heads.as_record(),
        }
        alarms_of_logits += heads.alarms()
        unknown += heads.not_judged()
        for kind, look in looks.items():
            looks[kind] = replace(look, places=heads.maps(kind, SHOWN))

    pictures = {"logits.png": draw_logits(logits, f"{run.name}: logits without augmentation")}
    discriminator = run.discriminator
    if isinstance(discriminator, ViTDiscriminator):
        inspection.console.activity("looking at attention", 1, 2)
        figures = {
            kind: measure_encoder(discriminator, side.first(ATTENTION_IMAGES).to(device).images)
            for kind, side in compared.items()
        }
        for kind, item in figures.items():
            looks[kind] = replace(looks[kind], rollout=item.maps[:SHOWN])
            alarms += _on_side(kind, attention_alarms(item.attention, item.tokens), alarms)
        record |= _encoder_record(figures)
        counts = [f"{len(item.maps):,} {kind}" for kind, item in figures.items()]
        title = f"{run.name}: attention of {' and '.join(counts)} images"
        pictures["attention.png"] = draw_layers(figures, title)
        record |= _weights(discriminator, run.generator.image_channels, run.name, pictures)
    else:
        record["not_applicable"] = NO_ATTENTION
    alarms += alarms_of_logits
    pictures["images.png"] = draw_images(looks, f"{run.name}: where the discriminator looks")
    record["pictures"] = list(pictures)
    record["alarms"] = [alarm.message for alarm in alarms] + run.warnings
    record["not_judged"] = unknown
    for name, content in pictures.items():
        write_bytes(inspection.folder / name, content)
    write_json(inspection.folder / INSPECTION, _plain(record))
    return _plain(record)


def _logits(
    run: TrainedNetworks, inspected: InspectedImages, device: torch.device
) -> tuple[LogitFigures, list[Alarm]]:
    found = {}
    for kind, side in inspected.kinds.items():
        here = side.to(device)
        found[kind] = logits_of(run.discriminator, here.images, here.labels)
        if not found[kind].isfinite().all():
            raise UserError(
                f"the discriminator of {run.name!r} gives logits of {NAMES[kind]} that are not"
                " finite, expected numbers: its training diverged. Inspect the checkpoint before it"
                f" (checkpoint-1.pt), or start a new run with {steadier_settings(run.config)}."
            )
    figures = LogitFigures(found, run.config.training.has_threshold)
    r_relative = figures.values["r_relative"]
    counts = {"real": figures.count("training"), "generated": figures.count("generated")}
    return figures, losing_alarm(r_relative, **counts) + overfitting_alarm(figures)


def _saliency(
    run: TrainedNetworks, side: ImagesOfOneKind, logits: Tensor, device: torch.device
) -> tuple[Tensor, LookedAt]:
    """Gradient norms of the images whose attention is measured, and what is shown of the first ones."""
    group = images_compared(run.discriminator)
    measured, norms, maps = side.first(max(ATTENTION_IMAGES, group)), [], []
    for window in windows(len(measured.images), group, most=SHOWN):
        part = ImagesOfOneKind(
            measured.images[window.images],
            None if measured.labels is None else measured.labels[window.images],
        ).to(device)
        gradients = input_gradients(run.discriminator, part.images, part.labels)[window.new].cpu()
        norms.append(gradient_norms(gradients))
        maps.append(saliency_maps(gradients))
    look = LookedAt(side.images[:SHOWN], logits[:SHOWN], torch.cat(maps)[:SHOWN])
    return torch.cat(norms), look


def _encoder_record(figures: dict[str, EncoderFigures]) -> dict[str, Any]:
    return {
        "encoder": {kind: item.as_record() for kind, item in figures.items()},
        "rollout": {
            kind: {
                "effective_share": _moments(effective_share(item.maps)),
                "mean_map": item.maps.mean(dim=0).tolist(),
            }
            for kind, item in figures.items()
        },
    }


def _weights(
    discriminator: ViTDiscriminator, image_channels: int, name: str, pictures: dict[str, bytes]
) -> dict[str, Any]:
    """What is to be seen in the weights alone; adds its pictures."""
    encoder = discriminator.encoder
    components = patch_components(encoder.stem, image_channels=image_channels)
    pictures["patches.png"] = draw_components(
        components, f"{name}: principal components of the filters of the {components.of}"
    )
    patches = {"of": components.of, "explained": components.explained.tolist()}
    view = view_positions(encoder)
    if view is None:
        return {"patches": patches, "positions": None}
    pictures["positions.png"] = draw_positions(view, f"{name}: position embedding")
    if view.similarity is None:
        spread = {name: table.std().item() for name, table in view.biases.items()}
        return {"patches": patches, "positions": {"bias_std": spread}}
    neighbours, pairs = neighbour_similarity(view.similarity)
    positions = {"similarity_of_neighbours": neighbours, "similarity_of_all_pairs": pairs}
    return {"patches": patches, "positions": positions}


def _on_side(kind: str, new: list[Alarm], known: list[Alarm]) -> list[Alarm]:
    """Alarms with the images that raised them, without what other images have raised already."""
    names = {alarm.name for alarm in known}
    return [
        replace(alarm, message=f"on {NAMES[kind]} {alarm.message}")
        for alarm in new
        if alarm.name not in names
    ]


def _moments(values: Tensor) -> dict[str, float]:
    exact = values.double()
    return {"mean": float(exact.mean()), "std": float(exact.std(correction=0))}


def _plain(value: Any) -> Any:
    """Numbers to 6 digits, and None for what is not finite."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
