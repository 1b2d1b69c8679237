"""`check_data`: all that is found out about a set before a night is spent on it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from adavit.curation.expectation import Floor, floor_of
from adavit.curation.file_facts import LOW_QUALITY, FileFacts, read_facts
from adavit.curation.glance import Glance, glance
from adavit.curation.likeness import AlikePair, clusters, find_alike
from adavit.curation.source_set import SourceSet
from adavit.curation.symmetry import SymmetryTest, find_symmetries
from adavit.data.assemble import decoding_threads
from adavit.data.image_set import ImageSet
from adavit.runtime.console import Console


@dataclass(frozen=True)
class DataCheck:
    """What was found.

    Attributes:
        given: The set as the user named it.
        images: Decoded as for training.
        files: What the headers of its files say.
        seen: What one look at each image showed.
        alike: Pairs that link near copies, mirrored ones too; of equal images the first alone takes part.
        twins: Mirrored pairs of two classes. They are no copies: a mirrored b is a d.
        clusters: Groups of indices of copies of either kind, each ascending.
        symmetries: One test for each transformation; none of a set that is too small.
        floor: What real images score; None of a set that is too small.
    """

    given: str
    images: ImageSet
    files: list[FileFacts]
    seen: Glance
    alike: list[AlikePair]
    twins: list[AlikePair]
    clusters: list[list[int]]
    symmetries: list[SymmetryTest]
    floor: Floor | None

    @property
    def effective(self) -> int:
        """Images that are no copies of another one."""
        return len(self.images) - sum(len(group) - 1 for group in self.clusters)

    @property
    def mirrored(self) -> int:
        """Images that are mirrored copies of others."""
        return sum(pair.mirrored for pair in self.alike)

    @cached_property
    def across(self) -> list[list[int]]:
        """Groups of copies that are not mirrored and stand in more than one class."""
        labels = self.images.labels
        if labels is None:
            return []
        unmirrored = [pair for pair in self.alike if not pair.mirrored]
        found = clusters(len(self.images), _links(self.seen.equal, unmirrored))
        return [group for group in found if len({int(labels[at]) for at in group}) > 1]

    @property
    def suspicious(self) -> list[tuple[str, str]]:
        """Names of files that can be read and are odd, and in what; JPEGs of low quality apart."""
        shape = self.images.resolution
        return [(facts.name, why) for facts in self.files if (why := facts.suspicion(shape))]

    @property
    def low_quality(self) -> list[FileFacts]:
        """JPEGs below `LOW_QUALITY`, the lowest first."""
        found = [each for each in self.files if (each.quality or 100) < LOW_QUALITY]
        return sorted(found, key=lambda each: (each.quality or 0, each.name))

    @property
    def made_smaller(self) -> bool:
        """Whether any image was larger than it was looked at, what a crop leaves of it being compared."""
        height, width = self.images.resolution
        is_cropped = self.images.stretch is None and not any(self.images.inside)
        smaller_by = min if is_cropped else max
        return any(
            smaller_by(each.size[0] / width, each.size[1] / height) > 1 for each in self.files
        )

    def name(self, index: int) -> str:
        """What an image is called."""
        return self.images.names[index] if self.images.names else f"{index:05d}"

    def formats(self) -> dict[str, int]:
        """Files by format and mode, the most frequent first."""
        found = Counter(f"{each.format or 'in memory'} {each.mode}" for each in self.files)
        return dict(found.most_common())

    def sizes(self) -> dict[str, int]:
        """Files by width and height, the most frequent first."""
        found = Counter(f"{each.size[0]}x{each.size[1]}" for each in self.files)
        return dict(found.most_common())

    def qualities(self) -> list[int]:
        """Of all JPEGs, ascending."""
        return sorted(each.quality for each in self.files if each.quality is not None)


def check_data(opened: SourceSet, given: str, *, seed: int, console: Console) -> DataCheck:
    """Looks at a set from all sides; some 40 seconds of one core for 2,000 images, most of them for the symmetries.

    Args:
        opened: The set.
        given: What the user called it.
        seed: Of all that is drawn.
        console: Told how it goes.
    """
    images = opened.images
    with decoding_threads() as threads:
        files = read_facts(opened.files, threads)
    seen = glance(images.images, images.labels, images.classes, inside=images.inside)
    apart = {index for group in seen.equal for index in group[1:]} | set(seen.blank)
    pairs = find_alike(
        images.images,
        [index for index in range(len(images)) if index not in apart],
        inside=images.inside,
        progress=console.activity,
    )
    twins = [pair for pair in pairs if _are_twins(pair, images.labels)]
    alike = [pair for pair in pairs if not _are_twins(pair, images.labels)]
    groups = np.arange(len(images))
    # Twins too, though they are no copies: who has learnt from one knows the other mirrored.
    for group in clusters(len(images), _links(seen.equal, pairs)):
        groups[group] = group[0]
    symmetries = find_symmetries(
        images.images, groups, seed=seed, progress=partial(console.activity, "testing symmetries")
    )
    floor = floor_of(images.images, np.unique(groups).tolist(), seed=seed)
    copies = clusters(len(images), _links(seen.equal, alike))
    return DataCheck(given, images, files, seen, alike, twins, copies, symmetries, floor)


def _are_twins(pair: AlikePair, labels: np.ndarray | None) -> bool:
    return pair.mirrored and labels is not None and labels[pair.first] != labels[pair.second]


def _links(equal: Sequence[Sequence[int]], pairs: Sequence[AlikePair]) -> list[tuple[int, int]]:
    of_equal = [(group[0], other) for group in equal for other in group[1:]]
    return [*of_equal, *((pair.first, pair.second) for pair in pairs)]


def names_of(check: DataCheck, indices: Sequence[int]) -> list[str]:
    """What some images are called."""
    return [check.name(index) for index in indices]
