"""Which real images an evaluation compares with: as a protocol says, `--data`, or the run's own."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from adavit.data import ImageSet, Split
from adavit.data.dataset import LoadArguments
from adavit.data.digests import images_digest
from adavit.data.known_names import TORCHVISION_SETS
from adavit.data.reading import GivenReading, Reading
from adavit.errors import UserError
from adavit.evaluation.protocol import NamedProtocol
from adavit.evaluation.run_images import (
    CHANNEL_NAMES,
    MEASURED_AGAINST,
    TRAINED_ON,
    Activity,
    known_source,
    load_reference,
    reading_of,
    resize_of,
    split_name,
    split_of,
)
from adavit.evaluation.sources import GeneratorSource, Source, open_source
from adavit.generation.sampling import generated_batches
from adavit.runs.metadata import UNKNOWN
from adavit.runtime.randomness import seed_for
from adavit.runtime.resolution import Resolution


@dataclass(frozen=True)
class ReferenceSet:
    """The images that generated ones are compared with: real ones, or others named in their place.

    Attributes:
        images: The images.
        origin: Their source; of generated ones that of the images their generator was trained on.
        split: Which part of a set they are, for the record.
        data_resize: How files were brought to their size; None for generated ones.
        trained_on: The images of the run that is evaluated and their split, where they are
            comparable with these.
        notes: What is to be known of them beside what loading them said.
    """

    images: ImageSet
    origin: str
    split: str
    data_resize: str | None
    trained_on: tuple[ImageSet, Split] | None = None
    notes: tuple[str, ...] = ()


class ReferenceChoice:
    """Finds the reference set.

    Args:
        subject: What is evaluated.
        data: `--data`, or None.
        protocol: `--protocol`, or None.
        count: Images to generate, where the reference is a generator.
        seed: Start of the random stream for these; None takes the reference's own.
        data_root: Where downloaded sets are kept; None takes the run's.
        reading: How files are found and read; what is not in it is as the run read its own.
        activity: Told what takes time.
    """

    def __init__(
        self,
        subject: Source,
        data: str | None,
        protocol: NamedProtocol | None,
        *,
        count: int | None,
        seed: int | None,
        data_root: Path | None,
        reading: GivenReading,
        activity: Activity,
    ) -> None:
        self._subject = subject
        self._data = data
        self._protocol = protocol
        self._against = "data" if protocol is None else protocol.against
        self._count = count
        self._seed = seed
        self._data_root = data_root
        self._reading = reading
        self._activity = activity

    def load(self) -> ReferenceSet:
        """The reference set.

        Raises:
            UserError: If there is none, it has too few images, or `--data` is not what the protocol
                means.
        """
        if isinstance(self._subject, GeneratorSource):
            reference = self._for_generator(self._subject)
        else:
            reference = self._for_images()
        if len(reference.images) < 2:
            raise UserError(
                f"{reference.images.name!r} has 1 image, but a distance to real images needs at least 2 of"
                " them (and some hundreds to mean anything). Name others with --data."
            )
        return reference

    def _for_generator(self, subject: GeneratorSource) -> ReferenceSet:
        config, stored = subject.config, subject.stored
        if self._reading and self._data is None:
            raise UserError(
                f"{self._first_flag} is given, but the images of {subject.name!r} are read as in its training. Leave it"
                " out, or name other images with --data."
            )
        source = self._data or self._default(subject)
        generator = stored.generator
        size: LoadArguments = {
            "resolution": generator.resolution,
            "channels": CHANNEL_NAMES[generator.image_channels],
            "data_root": self._data_root or config.data.data_root,
            "reading": replace(reading_of(config), **self._reading),
        }
        reference = self._open(source, size)
        own = reference.images.fingerprint == stored.data_fingerprint
        is_known = stored.data_fingerprint != UNKNOWN
        if self._against in ("training set", "trained on") and not own:
            raise self._conflict(
                f"the images that {subject.name!r} was trained from", is_known=is_known
            )
        if self._against == "test split" and (own or reference.split == "train"):
            raise self._conflict("images that nothing was trained from")
        if not own:
            changed = is_known and source == config.data.source and self._data is None
            note = (
                f"The images of {source} are not those that {subject.name} was trained on: they have changed"
                " since. Its figures from training are of the former ones."
            )
            return replace(reference, notes=(note,) if changed else ())
        split = split_of(config, reference.images)
        if self._against == "trained on":
            kept = reference.images.images[split.train]
            images = replace(
                reference.images, images=kept, labels=None, fingerprint=images_digest(kept)
            )
            own_images = (reference.images, split)
            return replace(reference, images=images, split="trained on", trained_on=own_images)
        return replace(reference, trained_on=(reference.images, split))

    def _for_images(self) -> ReferenceSet:
        if self._against == "trained on":
            raise UserError(
                "--protocol fewshot5k compares with the images a run was trained on, but"
                f" {self._subject.name!r} is read as images. Name the run or its generator, or use"
                " quick5k with --data."
            )
        if self._data is None:
            raise UserError(
                f"{self._subject.name!r} is not a run or a .safetensors file, so it is read as"
                " images, and --data has no default; expected the real images to compare with (metrics that"
                " look at none, such as is, take their size alone). Give --data, or check the path."
            )
        reference = self._open(
            self._data, {"data_root": self._data_root, "reading": Reading(**self._reading)}
        )
        wrong = {"training set": "test", "test split": "train"}.get(self._against)
        if wrong is not None and reference.split == wrong:
            raise self._conflict(f"the {self._against}")
        return reference

    def _default(self, subject: GeneratorSource) -> str:
        """What is compared with when `--data` is not given."""
        data, compared = subject.config.data.source, subject.config.metrics.reference
        if self._against == "data" and compared:
            return known_source(compared, subject.name, MEASURED_AGAINST)
        if self._against in ("training set", "trained on", "data"):
            return known_source(data, subject.name, TRAINED_ON)
        name = data.partition(":")[0]
        if name in TORCHVISION_SETS and "test" in TORCHVISION_SETS[name].splits:
            return f"{name}:test"
        raise UserError(
            f"--protocol test10k compares with a test split, but {data!r} has none. Name images"
            " that were held back with --data, or use another protocol."
        )

    def _open(self, source: str, size: LoadArguments) -> ReferenceSet:
        opened = open_source(source, "--data")
        if isinstance(opened, GeneratorSource):
            if self._reading and isinstance(self._subject, GeneratorSource):
                raise UserError(
                    f"{self._first_flag} is given, but of {self._subject.name!r} and --data {source!r} no files are"
                    " read: generators draw both. Leave it out, or name images with --data."
                )
            return self._generated(opened, size)
        images = load_reference(
            source,
            "--data",
            progress=partial(self._activity, "decoding"),
            **size,
        )
        resize = resize_of(images.resolution, size["reading"].fit)
        return ReferenceSet(images, images.source, split_name(images), resize)

    @property
    def _first_flag(self) -> str:
        """Of those that say how files are read."""
        return f"--{next(iter(self._reading)).replace('_', '-')}"

    def _generated(self, opened: GeneratorSource, size: LoadArguments) -> ReferenceSet:
        generator = opened.stored.generator
        drawn = generator.resolution
        if size.get("resolution", drawn) != drawn:
            raise UserError(
                f"--data {opened.name!r} draws images of {drawn.plain} px, but {self._subject.name!r} of"
                f" {Resolution.of(size['resolution']).plain} px. Compare generators of one resolution."
            )
        count = self._count or opened.config.metrics.fakes
        images = np.empty((count, generator.image_channels, *drawn), dtype=np.uint8)
        # Another stream than that of the generator that is evaluated: the same latents on both
        # sides would make the images alike for no merit of theirs.
        seed = opened.config.run.seed if self._seed is None else self._seed
        done = 0
        for batch in generated_batches(
            generator,
            count,
            seed=seed_for(seed, "evaluation reference", 0),
            label_counts=opened.stored.label_counts,
        ):
            images[done : done + len(batch)] = batch.cpu().numpy()
            done += len(batch)
            self._activity("generating the reference", done, count)
        found = ImageSet(
            name=f"generated by {opened.name}",
            images=images,
            labels=None,
            classes=(),
            fingerprint=images_digest(images),
            skipped=(),
            source=opened.name,
            notes=(),
        )
        return ReferenceSet(found, opened.config.data.source, "generated", None)

    def _conflict(self, wanted: str, *, is_known: bool = True) -> UserError:
        """What is told of images that are not those of the protocol, or of which nobody knows it."""
        assert self._protocol is not None
        given = f"--data {self._data!r}" if self._data else "the run's data, as it is now,"
        if not is_known:
            return UserError(
                f"{self._subject.name!r} was imported, so nobody knows whether {given} is what --protocol"
                f" {self._protocol.name} compares with, expected {wanted}. Leave --protocol out and give --fakes."
            )
        return UserError(
            f"{given} is not what --protocol {self._protocol.name} compares with, expected"
            f" {wanted}. Name these, or leave --protocol out and give --fakes."
        )
