"""The record of an inspection in a few lines for a person."""

from typing import Any

from adavit.diagnostics.discriminator.pictures import NAMES
from adavit.runs.reading import mean_of_known
from adavit.runtime.text_table import aligned

LOGITS_LEGEND = "logits: higher is more real."
THRESHOLD = "above 0: the share that is taken for real."
NO_THRESHOLD = "The loss sees differences of logits alone: 0 means nothing."
GRADIENT_LEGEND = "|gradient|: how strongly the logit answers to the pixels."
HEADS_LEGEND = (
    "a head's logit of an image is the mean over its places. apart: real and generated ones, in"
    " standard deviations. AUC: the share of pairs with a generated"
    " image of which the real one has the higher logit, 50% by chance. right: images on their side of 0, and r_t: mean"
    " sign of training images' logits, where 0 is the threshold of the loss. r_v: how far held-out images lie on the"
    " way from training (0) to generated ones (1); it rises as training images are learnt by heart."
)
ENCODER_LEGEND = (
    "entropy: 1 where attention is even, 0 where a token looks at one other alone; largest logit:"
    " of the attention, a large one makes it so; distance: how far off it looks; token cosine: 1"
    " where all patches have become alike."
)


def summarise_inspection(record: dict[str, Any]) -> str:
    """A record of `inspect` as text."""
    protocol, logits = record["protocol"], record["logits"]
    has_threshold = "accuracy" in logits
    above = ["above 0"] if has_threshold else []
    rows = [["logits", "images", "mean", "std", *above, "|gradient|"]]
    for kind, name in NAMES.items():
        if kind in logits:
            side, saliency = logits[kind], record["saliency"].get(kind)
            rows.append([name, f"{side['images']:,}", f"{side['mean']:+.2f}", f"{side['std']:.2f}"])
            if has_threshold:
                rows[-1].append(f"{side['share_above_0']:.0%}")
            rows[-1] += ["" if saliency is None else _shown(saliency["gradient_norm"]["mean"])]
    lines = [
        (
            f"Discriminator of {protocol['source']} at {protocol['images_seen'] / 1000:g} kimg, on"
            f" {protocol['data']}; images are not augmented."
        ),
        "",
        *aligned(rows, right=range(1, len(rows[0]))),
    ]
    legend = [LOGITS_LEGEND, THRESHOLD if has_threshold else NO_THRESHOLD, GRADIENT_LEGEND]
    lines += ["", " ".join(legend), *_head_lines(record), "", *_encoder_lines(record)]
    alarms = [f"Warning: {alarm}" for alarm in record["alarms"]]
    return "\n".join([*lines, "", *(alarms or ["No alarm."]), *record["not_judged"]])


def _head_lines(record: dict[str, Any]) -> list[str]:
    if "features" not in record:
        return []
    found = record["features"]
    judges = {"discriminator": record["logits"], **found["heads"]}
    rows = [["mean logit", "training", "held-out", "generated"]]
    rows[0] += ["apart", "AUC training", "AUC held-out", "right", "r_t", "r_v"]
    for name, figures in judges.items():
        sides = [figures.get(kind, {}) for kind in NAMES]
        means = [_shown(side.get("mean"), "+.2f") for side in sides]
        means.append(_shown(figures["separation"], "+.1f"))
        pairs = [_shown(side.get("auc"), ".0%") for side in sides[:2]]
        signs = [_shown(figures.get("r_t"), "+.2f"), _shown(figures["r_v"], "+.2f")]
        rows.append([name, *means, *pairs, _shown(figures.get("accuracy"), ".0%"), *signs])
    title = f"Heads on maps of {found['network']}, which sees images of {found['side']} px:"
    return ["", title, "", *aligned(rows, right=range(1, 10)), "", HEADS_LEGEND]


def _encoder_lines(record: dict[str, Any]) -> list[str]:
    if "encoder" not in record:
        return [record["not_applicable"]]
    real, generated = record["encoder"].values()
    heads = ("entropy", "largest logit", "distance, px", "token cosine")
    lines = [
        f"{'':<18}{''.join(f'{head:>20}' for head in heads)}",
        f"{'':<18}{''.join(_cells(['real', 'generated'])) * len(heads)}",
    ]
    cosines = [
        {state["name"]: state["similarity"] for state in side["tokens"]}
        for side in (real, generated)
    ]
    measures = (
        ("entropy", mean_of_known),
        ("largest_logit", _largest),
        ("distance_px", mean_of_known),
    )
    for pair in zip(real["attention"], generated["attention"], strict=True):
        name = pair[0]["name"]
        cells = [f"{name:<18}"]
        for key, join in measures:
            cells += _cells([_shown(join(side[key])) for side in pair])
        # Axial attention has two in a block; the tokens are those after the second.
        block = name.removesuffix(" columns")
        cells += _cells([_shown(side[block]) for side in cosines if block in side])
        lines.append("".join(cells).rstrip())
    return [*lines, "", ENCODER_LEGEND]


def _shown(value: float | None, form: str = ".3g") -> str:
    return "-" if value is None else f"{value:{form}}"


def _cells(texts: list[str]) -> list[str]:
    return [f"{text:>10}" for text in texts]


def _largest(values: list[float | None]) -> float | None:
    return None if None in values else max(value for value in values if value is not None)
