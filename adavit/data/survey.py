"""What was seen while a set was decoded, and the sentences about what was done to its pixels or looks wrong."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from adavit.data.channels import is_coloured, is_transparent
from adavit.data.depth import DARK, Depth
from adavit.data.files.decode import Decoded
from adavit.data.files.frames import found_frames
from adavit.data.files.members import Skipped
from adavit.data.files.resize import Box
from adavit.data.reading import Reading
from adavit.runtime.wording import counted

# A set is called dark if this share of its values lies below `DARK`, bright if above three quarters of white.
_NEARLY_ALL = 0.999
_BRIGHT = 191


@dataclass
class Survey:
    """What was seen while decoding.

    Attributes:
        kept: For each image that was decoded the index of its source, in order.
        names: For each of them its name; frames of one file are numbered.
        inside: For each of them where it lies in what it was filled up to; None where it was not.
        skipped: The others, with the reasons.
        sizes: How often each (width, height) in pixels occurs, before cropping.
        transparent: Images with a pixel that is not opaque.
        coloured: Images with a pixel whose red, green and blue differ.
        unavailable: Of those skipped, how many the system refused; another time it may not.
        not_read: Pillow's names of the formats of those that need a package more.
        frames: Of each file that has more than one image, how many.
        profiles: How many images were converted from each colour profile.
        broken_profiles: Images whose colour profile cannot be used.
        depth: What was seen of images of more than 8 bits.
        values: How often each value from 0 to 255 occurs in what is not transparent, int64 [256].
        networks: Those that images say the discriminator of their generator saw, each once.
        untold: Images that say nothing of it.
    """

    kept: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    inside: list[Box | None] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    transparent: int = 0
    coloured: int = 0
    unavailable: int = 0
    not_read: set[str] = field(default_factory=set)
    frames: list[int] = field(default_factory=list)
    profiles: Counter[str] = field(default_factory=Counter)
    broken_profiles: int = 0
    depth: Depth = field(default_factory=Depth)
    values: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    networks: dict[str, None] = field(default_factory=dict)
    untold: int = 0

    def add(self, index: int, name: str, size: tuple[int, int], image: Decoded) -> None:
        """Count an image.

        Args:
            index: Of its source.
            name: Of the image.
            size: Width and height as stored.
            image: What was decoded.
        """
        planes = image.planes
        self.kept.append(index)
        self.names.append(name)
        self.inside.append(image.inside)
        self.sizes[size] += 1
        is_see_through = is_transparent(planes)
        self.transparent += is_see_through
        self.coloured += is_coloured(planes)
        if image.profile is not None:
            self.profiles[image.profile] += 1
        self.broken_profiles += image.broken_profile
        self.depth.add(image)
        if image.discriminator_saw is None:
            self.untold += 1
        else:
            self.networks |= dict.fromkeys(image.discriminator_saw)
        seen = planes[:3, planes[3] > 0] if is_see_through else planes[:3]
        self.values += np.bincount(seen.reshape(-1), minlength=256)

    @property
    def discriminator_saw(self) -> tuple[str, ...] | None:
        """As of an `ImageSet`: what one image says goes for all, that nothing was seen only if all say so."""
        return tuple(self.networks) or (None if self.untold else ())


def describe_pixels(survey: Survey, reading: Reading) -> list[str]:
    """Sentences about frames, colour profiles and brightness; none where there is nothing to say.

    Args:
        survey: Of a set with at least one image.
        reading: How files were read.
    """
    return [
        *_describe_frames(survey, reading),
        *_describe_profiles(survey),
        *survey.depth.notes(reading.scale_16bit),
        *_describe_brightness(survey),
    ]


def _describe_frames(survey: Survey, reading: Reading) -> list[str]:
    if not survey.frames:
        return []
    found = found_frames(survey.frames)
    if reading.frames == "all":
        return [f"{found}, each of which is an image (--frames all)."]
    return [f"{found}; the first of each is used. --frames all takes every one."]


def _describe_profiles(survey: Survey) -> list[str]:
    notes = []
    if survey.profiles:
        listed = [f"{name} ({count})" for name, count in survey.profiles.most_common(5)]
        listed += ["others"] if len(survey.profiles) > 5 else []
        images = counted(sum(survey.profiles.values()), "image is", "images are")
        notes.append(f"Colours: {images} converted to sRGB from {', '.join(listed)}.")
    if survey.broken_profiles:
        images = counted(survey.broken_profiles, "image has", "images have")
        notes.append(
            f"Colours: {images} a colour profile that cannot be used; the values are taken as they are."
        )
    return notes


def _describe_brightness(survey: Survey) -> list[str]:
    total = int(survey.values.sum())
    if not total:
        return []
    shares = survey.values.cumsum() / total
    darkest = int(np.searchsorted(shares, 1.0 - _NEARLY_ALL, side="right"))
    brightest = int(np.searchsorted(shares, _NEARLY_ALL))
    if brightest < DARK:
        found = f"dark: 99.9% of its values are at most {brightest} of 255"
    elif darkest > _BRIGHT:
        found = f"bright: 99.9% of its values are at least {darkest} of 255"
    else:
        return []
    return [f"Warning: the whole set is {found}. See whether the images are as they should be."]
