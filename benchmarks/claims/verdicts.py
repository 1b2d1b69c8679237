"""The claims (a) to (c), (e) and (g), each with its table and its verdict; `turning.py` has (d), `leaking.py` (f)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from benchmarks.claims.comparison import (
    HIGHER,
    LEVEL,
    LOWER,
    UNTOLD,
    Comparison,
    clear_among,
    factors,
    mean,
    spread,
)
from benchmarks.claims.results import GROUPS, METHODS, PROBABILITY, Place, Results, figures

HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be told here"

DISCRIMINATORS = ("resnet", "vit")
NONE, FIXED, ADAPTIVE = "none", "fixed p 0.4", "ADA r_t"

NEARLY_ALL = 0.8
"""Of a gain. What is level with more need not be equal to it: with three seeds half of it may be."""


class Part(NamedTuple):
    """What the cells say of a part of a claim.

    Attributes:
        name: Such as a discriminator.
        word: `HOLDS`, `FAILS` or `OPEN`.
        why: In a few words; empty where the word says it all.
    """

    name: str
    word: str
    why: str = ""

    @property
    def text(self) -> str:
        """The part in a line."""
        return f"{self.name}: {self.word}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class Verdict:
    """A claim and what the cells say of it.

    Attributes:
        letter: Of the claim.
        claim: In a sentence.
        word: `HOLDS`, `FAILS` or `OPEN`, of all discriminators together.
        parts: The same for each part of it, with the reason.
        table: Lines of Markdown.
    """

    letter: str
    claim: str
    word: str
    parts: Sequence[str]
    table: Sequence[str]

    @classmethod
    def of(
        cls,
        letter: str,
        claim: str,
        parts: Sequence[Part],
        head: Sequence[str],
        rows: Iterable[Sequence[str]],
    ) -> Self:
        """That of all parts.

        Args:
            letter: Of the claim.
            claim: In a sentence.
            parts: In the order in which they are told.
            head: Of the table.
            rows: Likewise.
        """
        word = together(part.word for part in parts)
        return cls(letter, claim, word, [part.text for part in parts], table(head, rows))


def together(words: Iterable[str]) -> str:
    """The verdict of several parts: that of all, where they agree; where they do not, it holds for some only."""
    found = set(words)
    if len(found) == 1:
        return found.pop()
    told = found - {OPEN}
    return f"{told.pop()}, as far as it can be told" if len(told) == 1 else "holds in part"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def cells_at(results: Results, grid: str, discriminator: str) -> list[Place]:
    """The places of a grid with one discriminator, in its order."""
    return [each for each in results if (each.grid, each.discriminator) == (grid, discriminator)]


def groups_of_operations(results: Results) -> Verdict:
    """(a): with blitting and geometric operations the distance falls as far as with any others."""
    parts, rows = [], []
    for discriminator in DISCRIMINATORS:
        places = cells_at(results, GROUPS, discriminator)
        best = {place.cell: figures(results[place], "best") for place in places}
        to_none = {name: Comparison.of(values, best[NONE]) for name, values in best.items()}
        to_bg = {name: Comparison.of(values, best["bg"]) for name, values in best.items()}
        for name, values in best.items():
            against = ["", ""] if name == NONE else [to_none[name].text, to_bg[name].text]
            rows.append([discriminator, name, spread(values), *against])
        others = [name for name in best if name not in (NONE, "bg")]
        beside_bg = {name: to_bg[name] for name in others}
        beside_none = {name: to_none[name] for name in others}
        ahead, helped = clear_among(beside_bg, LOWER), clear_among(beside_none, LOWER)
        perhaps = [name for name in others if to_bg[name].word == LOWER]
        if UNTOLD in [to_none["bg"].word, *(to_bg[name].word for name in others)]:
            word, why = OPEN, "cells are missing"
        elif to_none["bg"].word != LOWER and helped:
            word, why = FAILS, f"bg is not below none, but clearly {', '.join(helped)}"
        elif to_none["bg"].word != LOWER:  # where it harms, what harms less brings no gain
            word, why = OPEN, "no group is clearly below none"
        elif ahead:
            word, why = FAILS, f"clearly below bg: {', '.join(ahead)}"
        elif perhaps:
            word, why = OPEN, f"below bg, but not clearly: {', '.join(perhaps)}"
        else:
            first = min(best, key=lambda name: mean(best[name]))
            share = (mean(best[NONE]) - mean(best["bg"])) / (mean(best[NONE]) - mean(best[first]))
            word = HOLDS if share >= NEARLY_ALL else OPEN
            why = f"bg brings {share:.0%} of what the lowest, {first}, does"
        parts.append(Part(discriminator, word, why))
    head = ["discriminator", "operations", "best fd_drawn", "less that of none", "less that of bg"]
    return Verdict.of(
        "a",
        "Blitting and geometric operations bring nearly all of the gain.",
        parts,
        head,
        rows,
    )


def adaptive_p(results: Results) -> Verdict:
    """(b): adaptive p does as well as the best fixed p."""
    parts, rows = [], []
    for discriminator in DISCRIMINATORS:
        best = {
            place.cell: figures(results[place], "best")
            for place in cells_at(results, PROBABILITY, discriminator)
        }
        adaptive = best.pop("adaptive")
        ranked = sorted(best, key=lambda name: mean(best[name]))
        found = Comparison.of(adaptive, best[ranked[0]])
        for name, values in best.items():
            rows.append([discriminator, name, spread(values), Comparison.of(adaptive, values).text])
        rows.append([discriminator, "adaptive", spread(adaptive), ""])
        apart = {name: Comparison.of(best[name], best[ranked[0]]).word for name in ranked[1:]}
        worse = [name for name, word in apart.items() if word == HIGHER]
        below = [name for name in worse if Comparison.of(adaptive, best[name]).word == LOWER]
        if UNTOLD in (found.word, *apart.values()):
            word, why = OPEN, "cells are missing"
        elif found.word == HIGHER:
            word, why = FAILS, f"adaptive p is above {ranked[0]}"
        elif not worse:
            word, why = OPEN, "all fixed p are level, so that there is nothing to be found"
        elif not below:
            word, why = OPEN, f"adaptive p is level with {ranked[0]}, and below none that is worse"
        else:
            how = "level with" if found.word == LEVEL else "below"
            word, why = HOLDS, f"adaptive p is {how} the best fixed one, {ranked[0]}"
        parts.append(Part(discriminator, word, why))
    head = ["discriminator", "p", "best fd_drawn", "adaptive less this"]
    return Verdict.of(
        "b",
        "Adaptive p matches the best fixed p without a search.",
        parts,
        head,
        rows,
    )


def gains(results: Results, discriminator: str, method: str) -> dict[int, dict[str, float]]:
    """How many times lower the distance is with a method than without, as a logarithm, by images and seed."""
    found = {}
    for place in cells_at(results, METHODS, discriminator):
        if place.cell == method:
            without = results[place._replace(cell=NONE)]
            found[place.images] = factors(figures(results[place], "best"), figures(without, "best"))
    return found


def times(values: dict[str, float]) -> str:
    """A gain in words: how many times lower."""
    return f"{math.exp(mean(values)):.2f} times" if values else "-"


def brings_something(values: dict[str, float]) -> bool:
    """Whether a method lowers the distance at all: where it raises it, less harm is no greater gain."""
    return Comparison.of(values, dict.fromkeys(values, 0.0)).word == HIGHER


def _greater(found: Comparison, gain: dict[str, float], where: str) -> tuple[str, str]:
    """Whether a gain is greater than another one, and why.

    Args:
        found: The gain less the other one.
        gain: By seed.
        where: It is had, for the reason.
    """
    if found.word == HIGHER and not brings_something(gain):
        return OPEN, f"higher, but with {where} it is no gain that can be told"
    return {HIGHER: HOLDS, LOWER: FAILS}.get(found.word, OPEN), found.word


def fewer_images(results: Results) -> Verdict:
    """(c): what augmentation brings rises as images get fewer."""
    parts, rows = [], []
    for discriminator in DISCRIMINATORS:
        for method in (FIXED, ADAPTIVE):
            by_images = gains(results, discriminator, method)
            few, many = min(by_images), max(by_images)
            found = Comparison.of(by_images[few], by_images[many])
            word, why = _greater(found, by_images[few], f"{few:,} images")
            why = f"{few:,} against {many:,} images: {why}"
            rows.append(
                [discriminator, method, *(times(each) for each in by_images.values()), found.text]
            )
            parts.append(Part(f"{discriminator}, {method}", word, why))
    sizes = [f"{images:,} images" for images in by_images]
    head = ["discriminator", "method", *sizes, "logarithm at the fewest less that at the most"]
    return Verdict.of(
        "c",
        "The fewer the images, the more augmentation brings.",
        parts,
        head,
        rows,
    )


def need_of_vit(results: Results) -> Verdict:
    """(e): augmentation lowers the distance more with a ViT than with a ResNet."""
    parts, rows = [], []
    for method in (FIXED, ADAPTIVE):
        resnet, vit = (gains(results, each, method) for each in DISCRIMINATORS)
        for images in resnet:
            found = Comparison.of(vit[images], resnet[images])
            word, why = _greater(found, vit[images], "a ViT")
            rows.append(
                [method, f"{images:,}", times(resnet[images]), times(vit[images]), found.text]
            )
            parts.append(Part(f"{method}, {images:,} images", word, why))
    head = ["method", "images", "resnet", "vit", "logarithm of the ViT less that of the ResNet"]
    return Verdict.of(
        "e",
        "A ViT needs augmentation more than a ResNet.",
        parts,
        head,
        rows,
    )


def _is_nearer_than_held_out(nearness: dict[str, float]) -> bool:
    """Whether generated images are nearer to training images than held-out ones, of which 1 is the same."""
    return Comparison.of(nearness, dict.fromkeys(nearness, 1.0)).word == LOWER


def copies(results: Results) -> Verdict:
    """(g): the fewer the images, the nearer generated images come to them, by each method."""
    parts, rows = [], []
    for discriminator in DISCRIMINATORS:
        places = cells_at(results, METHODS, discriminator)
        sizes = sorted({place.images for place in places})
        for method in dict.fromkeys(place.cell for place in places):
            near = [
                figures(results[Place(METHODS, discriminator, images, method)], "nearness")
                for images in sizes
            ]
            close = [
                figures(results[Place(METHODS, discriminator, images, method)], "close")
                for images in sizes
            ]
            found = Comparison.of(near[0], near[-1])
            pairs = zip(near, close, strict=True)
            rows.append(
                [
                    discriminator,
                    method,
                    *(f"{spread(ratio, '.2f')} ({spread(share, '.1%')})" for ratio, share in pairs),
                    found.word,
                ]
            )
            word = {LOWER: HOLDS, HIGHER: FAILS}.get(found.word, OPEN)
            why = {LEVEL: LEVEL, UNTOLD: "cells are missing"}.get(found.word, "")
            # The fewer the images, the farther from them held-out ones are: relative to those, whatever is worse than
            # real images comes nearer, though it know none of them.
            if word == HOLDS and not _is_nearer_than_held_out(near[0]):
                word, why = OPEN, "lower, but not nearer than images never trained on"
            parts.append(Part(f"{discriminator}, {method}", word, why))
    head = [
        "discriminator",
        "method",
        *(f"{images:,} images" for images in sizes),
        "fewest to most",
    ]
    return Verdict.of(
        "g",
        "The fewer the images, the nearer to them is what is generated.",
        parts,
        head,
        rows,
    )
