"""The text of a card: Markdown with the front matter that hubs of models read."""

import inspect
import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from adavit.diagnostics.memorisation.summary import nearness_words
from adavit.metrics.kinship import MARK, legend, library_of, short_network
from adavit.metrics.names import HIGHER_IS_BETTER, metric_of
from adavit.models import count_parameters
from adavit.publishing import plain_generator
from adavit.publishing.card_facts import CardFacts, CardFigure
from adavit.publishing.file_names import GENERATOR, HUB_NAME, SAMPLES
from adavit.runs.reading import flat_settings, mapping, number, text
from adavit.runtime.cells import markdown_cell, markdown_code
from adavit.runtime.resolution import Resolution
from adavit.runtime.wording import counted, size

CHANNELS = {1: "grey", 3: "RGB", 4: "RGBA"}

SHOWN_SETTINGS = (
    *("generator.latent_dim", "generator.style_dim", "generator.mapping_layers"),
    *("generator.channel_base", "generator.channel_max", "generator.noise"),
    *("discriminator.kind", "augment.mode", "augment.preset", "training.loss"),
    *("training.r1_gamma", "training.batch", "training.generator_lr", "training.discriminator_lr"),
    *("training.ema_half_life_kimg", "training.precision", "run.seed"),
)
"""Settings that stand in the table; all others are folded in below it."""

LICENCES = {
    "torchvision": "those that torchvision offers, whose code is BSD-3-Clause, are learned from ImageNet, whose images"
    " are for non-commercial research",
    "timm": "that of those which timm offers stands on the page of the model, huggingface.co/timm",
    "lpips-vgg16": "those of LPIPS are BSD-2-Clause, and those of VGG16 beneath them torchvision's, learned from"
    " ImageNet, whose images are for non-commercial research",
}
"""What is known of published weights, by library; those of a run may come from a file of the same architecture."""


OTHERS = (
    "Weights that NVIDIA has published for StyleGAN2, StyleGAN2-ADA and StyleGAN3 are for non-commercial use only, and"
    " so is what is trained from them; those of others are under the terms of these."
)
"""What is known of the licence of generators that come as a file."""


def card_text(facts: CardFacts, *, license_id: str | None) -> str:
    """The whole card.

    Args:
        facts: What there is to say.
        license_id: Of the generator, as hubs call it ("apache-2.0"); None if its author states none.
    """
    title = f"A generator of {_kind(facts)}"
    sections = (
        _head(facts, license_id),
        f"# {title}",
        _introduction(facts),
        f"![Images of the first seeds]({SAMPLES})",
        "Images of the first seeds, at truncation 1, not picked.",
        *_section("Figures", _figures(facts)),
        *_section("Data", _data(facts)),
        *_section("Does it copy?", _copies(facts)),
        *_section("Source weights and licences", _sources(facts, license_id)),
        *_section("How to use it", _usage(facts)),
        *_section("Settings", _settings(facts)),
    )
    return "\n\n".join(sections) + "\n"


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    yield f"## {title}"
    yield from lines


def _head(facts: CardFacts, license_id: str | None) -> str:
    conditional = bool(facts.sizes["num_classes"])
    values = {
        **({} if license_id is None else {"license": license_id}),
        "library_name": "adavit",
        **({} if conditional else {"pipeline_tag": "unconditional-image-generation"}),
        "tags": ["adavit", "gan", "stylegan2", "image-generation"],
    }
    return f"---\n{yaml.safe_dump(values, sort_keys=False).strip()}\n---"


def _kind(facts: CardFacts) -> str:
    resolution = Resolution.of(facts.sizes["resolution"])
    order = "" if resolution.is_square else " (height x width)"
    return f"{CHANNELS[facts.sizes['image_channels']]} images of {resolution} pixels{order}"


def _introduction(facts: CardFacts) -> str:
    stored = facts.stored
    trained = number(facts.data.get("training_images"))
    on = "" if trained is None else f" on {trained:,.0f} images"
    by = (
        f"imported by adavit from {markdown_code(facts.origin)}"
        if facts.origin
        else f"trained by adavit{on}"
    )
    weights = count_parameters(stored.generator)
    words = f"A StyleGAN2 generator (arXiv:1912.04958) with {weights:,} parameters, {by}."
    if stored.images:
        words += f" Its discriminator saw {stored.images:,} real images, repeats counted."
    if stored.tuned_from:
        words += (
            " Then its weights were tuned to draw one image, which is not among those counted here (`adavit project"
            " --tune`); whose it is, and whether it may be shown, its author knows."
        )
    if facts.sizes["num_classes"]:
        names = ", ".join(markdown_cell(name) for name in stored.classes)
        words += f" It draws images of a class: {names}."
    return words


def _figures(facts: CardFacts) -> Iterator[str]:
    if not facts.figures:
        yield "None was measured of these weights."
        return
    heads = ("metric", "figure", "better", "generated", "real images", "extractor", "protocol")
    rows = [heads, ["---"] * len(heads), *map(_figure_row, facts.figures)]
    yield "\n".join(f"| {' | '.join(row)} |" for row in rows)
    yield (
        "Two figures compare only where both numbers of images, the real images, the extractor and the protocol agree."
    )
    if facts.seen:
        yield f"{MARK.capitalize()}: {markdown_cell(legend(facts.seen).partition(': ')[2])}"


def _figure_row(figure: CardFigure) -> Sequence[str]:
    protocol = figure.protocol
    real = "none"
    if "n_real" in protocol:
        split = markdown_cell(str(protocol.get("split", "")))
        digest = markdown_cell(str(protocol.get("reference_fingerprint", ""))[:12])
        real = f"{_count(protocol['n_real'])} ({split}, {digest})"
    others = [f"{protocol[key]} px" for key in ("resolution",) if key in protocol]
    others += [f"truncation {protocol['truncation']}"] if "truncation" in protocol else []
    others += [f"labels of {protocol['labels']}"] if "labels" in protocol else []
    named = [str(protocol["name"])] if protocol.get("name") else []
    extractor = ":".join(str(protocol.get("extractor", "?")).split(":")[:2])
    digest = str(protocol.get("weights_digest", ""))[:8]
    return (
        markdown_cell(figure.name),
        f"{figure.value:.4g}" + (" (flattered)" if figure.flattered else ""),
        "higher" if metric_of(figure.name) in HIGHER_IS_BETTER else "lower",
        _count(protocol.get("n_fake")),
        real,
        markdown_cell(f"{extractor} {digest}".strip()),
        ", ".join(map(markdown_cell, [*named, *others])),
    )


def _data(facts: CardFacts) -> Iterator[str]:
    if facts.origin:
        yield "Which images it was trained on is for those to say who have trained it."
        return
    name = markdown_code(facts.data_name) if facts.data_name else "Images that are not named here"
    counts = {key: number(facts.data.get(key)) for key in facts.data}
    words = name
    if counts.get("images") is not None:
        words += f": {_count(counts['images'])} in all"
    if counts.get("training_images") is not None:
        words += f", {_count(counts['training_images'])} of them trained on"
    if counts.get("heldout_images") is not None:
        words += f", {_count(counts['heldout_images'])} held out"
    resolution = Resolution.of(facts.sizes["resolution"]).plain
    yield f"{words}. Fingerprint of their pixels at {resolution} px: `{facts.stored.data_fingerprint}`."


def _copies(facts: CardFacts) -> Iterator[str]:
    if not facts.copies:
        yield (
            "Not looked for: `adavit memorisation` was not run on these weights and the images they were trained on."
        )
        return
    protocol = mapping(facts.copies.get("protocol"))
    compared, percentile = (
        number(protocol.get(key)) or 0 for key in ("n_leave_one_out", "percentile")
    )
    yield (
        f"{_count(protocol.get('n_fake'))} generated images were compared with {_count(protocol.get('n_train'))}"
        " training images (`adavit memorisation`). Close is what is nearer to a training image than"
        f" {nearness_words(compared, percentile)} to one another."
    )
    rows = [
        "| space | generated images that are close | held-out real images that are |",
        "|---|---|---|",
    ]
    for name, space in mapping(facts.copies.get("spaces")).items():
        shares = (_share(mapping(space).get(side)) for side in ("generated", "heldout"))
        distance = markdown_cell(text(mapping(space).get("distance")))
        rows.append(f"| {markdown_cell(str(name))} ({distance}) | {' | '.join(shares)} |")
    yield "\n".join(rows)
    yield (
        "A diagnostic, not a score: no figure tells copying from poor variety (arXiv:2306.04675), and blurred or plain"
        " images are near to everything in pixel space."
    )


def _share(side: Any) -> str:
    share, interval = number(mapping(side).get("share_closer")), mapping(side).get("share_interval")
    if share is None:
        return "none there"
    ends = [number(end) for end in interval] if isinstance(interval, list) else []
    between = f" [{ends[0]:.1%}, {ends[1]:.1%}]" if len(ends) == 2 and None not in ends else ""
    return f"{share:.1%}{between} of {_count(mapping(side).get('images'))}"


def _sources(facts: CardFacts, license_id: str | None) -> Iterator[str]:
    stated = "its author states none" if license_id is None else markdown_code(license_id)
    yield f"Licence of this generator: {stated}. That of the images it was trained on is not recorded."
    lines = [
        f"- Training saw images through {markdown_code(short_network(network))}. Licence of these weights: not"
        f" recorded; {LICENCES.get(library_of(network), 'look where they came from')}."
        for network in facts.seen
        if network != facts.origin  # of which it is not known what its discriminator saw
    ]
    if facts.origin:
        lines.append(f"- These weights were trained by others. {OTHERS}")
    if facts.transferred:
        lines.append(
            f"- Training began from another generator, on whose terms this one may be used. {OTHERS}"
        )
    yield "\n".join(
        lines or ["Trained from random weights; no network trained on other images had a part."]
    )


def _usage(facts: CardFacts) -> Iterator[str]:
    shown = _class_with_images(facts)
    label = f", {facts.stored.classes[shown]!a}" if facts.stored.classes else ""
    yield _code(
        "import adavit, torch",
        "",
        f'generator = adavit.load_generator("{HUB_NAME}")',
        f"images = generator(torch.randn(4, generator.latent_dim){label}, truncation=0.7)  # about [-1, 1]",
    )
    source = inspect.getsource(plain_generator).rstrip()
    lines = counted(len(source.splitlines()), "line", "lines")
    yield (
        f"With torch and safetensors alone, which load nothing but numbers from `{GENERATOR}` ({lines} of Python,"
        f" {size(len(source.encode()))}, Apache-2.0):"
    )
    labels = f", labels=torch.tensor([{shown}] * 4)" if facts.sizes["num_classes"] else ""
    yield _code(
        source,
        "",
        "",
        f'weights, sizes = read("{GENERATOR}")',
        'latents = torch.randn(4, sizes["latent_dim"])',
        f"images = draw(weights, sizes, latents{labels}, truncation=0.7)",
        "pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)  # [4, C, H, W]",
    )


def _class_with_images(facts: CardFacts) -> int:
    """The first class that was trained; 0 where nobody knows, or without classes."""
    counts = facts.stored.label_counts or []
    return next((index for index, count in enumerate(counts) if count), 0)


def _settings(facts: CardFacts) -> Iterator[str]:
    flat = flat_settings(facts.settings)
    rows = [f"| `{key}` | {_value(flat[key])} |" for key in SHOWN_SETTINGS if key in flat]
    yield "\n".join(["| setting | value |", "|---|---|", *rows])
    versions = [f"{key} {value}" for key, value in facts.environment.items()]
    if versions:
        yield f"Trained with {markdown_cell(', '.join(versions))}."
    rest = "\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in flat.items())
    yield f"<details><summary>All settings</summary>\n\n```yaml\n{rest}\n```\n\n</details>"


def _value(value: Any) -> str:
    return "none" if value is None else markdown_cell(str(value))


def _count(value: Any) -> str:
    known = number(value)
    return "?" if known is None else f"{known:,.0f}"


def _code(*lines: str) -> str:
    return "\n".join(["```python", *lines, "```"])
