"""File names of the images of a set, for lists that a person will look them up in."""

from pathlib import Path

from adavit.data import ImageSet
from adavit.data.files.collection import open_files
from adavit.data.files.members import printable
from adavit.errors import UserError


def image_names(images: ImageSet) -> list[str] | None:
    """Names of a set's images, in its order.

    Args:
        images: As loaded; the files are listed again, not read.

    Returns:
        Paths inside the folder or zip, unprintable characters escaped; None for a set that has no
        files, or whose files have changed in the meantime.
    """
    path = Path(images.source)
    if not path.exists():
        return None
    skipped = {item.name for item in images.skipped}
    try:
        with open_files(path, images.name) as collection:
            listed = collection.images()
    except (OSError, UserError):
        return None
    names = [name for name in (printable(image.name) for image in listed) if name not in skipped]
    return names if len(names) == len(images) else None
