"""Which class the images of seeds are of, as it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from adavit.data.files.members import normal, printable
from adavit.errors import UserError
from adavit.runs.generator_file import StoredGenerator
from adavit.runtime.choices import check_choice
from adavit.styles.numbers import whole_number

LabelsOfSeeds = Literal["shares", "even"]


@dataclass(frozen=True)
class ClassChoice:
    """The class of a seed's image; without both, of a generator without classes.

    Attributes:
        index: Number of the one class; None draws it by the seed.
        weights: How often each class is drawn then, in any unit, such as training images.
    """

    index: int | None = None
    weights: Sequence[float] | None = None


def choose_class(
    stored: StoredGenerator, class_name: str | int | None, labels: LabelsOfSeeds | None = None
) -> ClassChoice:
    """What --class and --labels ask for.

    Args:
        stored: The generator.
        class_name: A class by name or number; None draws it by the seed.
        labels: How it is drawn then: "shares", as among the training images (None too), or "even", all alike; never
            a class without an image.

    Raises:
        UserError: As `find_class`, or if `labels` is no such word or says nothing here.
    """
    conditional = stored.generator.num_classes
    if labels is not None:
        check_choice("--labels", labels, get_args(LabelsOfSeeds))
    if labels is not None and (class_name is not None or not conditional):
        why = (
            "its generator has no classes" if class_name is None else "--class names the one class"
        )
        raise UserError(
            f"--labels is {labels!r}, but {why}, so that none is drawn. Leave --labels out."
        )
    if class_name is not None:
        return ClassChoice(index=find_class(stored, class_name))
    if not conditional:
        return ClassChoice()
    counts = stored.label_counts or [1] * conditional
    return ClassChoice(
        weights=[float(count > 0 if labels == "even" else count) for count in counts]
    )


def class_label(stored: StoredGenerator, index: int) -> str:
    """What a class is called; its number where it has no name."""
    return stored.classes[index] if index < len(stored.classes) else str(index)


def find_class(stored: StoredGenerator, name: str | int) -> int:
    """Number of a class given by its name or its number.

    Raises:
        UserError: If the generator has no classes, no such one, or was trained on no image of it.
    """
    if not stored.generator.num_classes:
        raise UserError(
            f"--class is {name!r}, but {str(stored.path)!r} was trained without classes. Leave"
            " --class out."
        )
    name = str(name)
    names = [normal(each) for each in stored.classes]
    number = names.index(normal(name)) if normal(name) in names else whole_number(name)
    if number is None or number >= stored.generator.num_classes:
        raise UserError(
            f"--class is {printable(name)!r}, expected one of: {printable(', '.join(stored.classes))}, or a number"
            f" below {stored.generator.num_classes}. Name one of these."
        )
    if stored.label_counts and not stored.label_counts[number]:
        trained = [class_label(stored, i) for i, count in enumerate(stored.label_counts) if count]
        raise UserError(
            f"--class is {printable(name)!r}, but no image of it was among those trained on, expected one of:"
            f" {printable(', '.join(trained))}. Name one of these."
        )
    return number
