"""Images of a generator as files that say what its discriminator saw, wherever they are copied to.

Networks trained on other images that a discriminator has seen through flatter figures in related features
(`adavit.metrics.kinship`), of a folder of images as of the generator that drew it. A text chunk of a PNG goes with
the file; whoever saves the image anew leaves it behind, and then nobody knows.
"""

import io
import json
import re
from collections.abc import Sequence

from PIL import Image
from PIL.PngImagePlugin import PngInfo

KEYWORD = "adavit discriminator saw"
"""Of the text chunk: a list in JSON, empty where the discriminator saw no such network."""

MOST_NETWORKS = 100
"""In one list; more are no list of ours."""

_NETWORK = re.compile(r"\S{1,200} [0-9a-f]{64}")
_LONGEST = 300 * MOST_NETWORKS


def drawn_png(image: Image.Image, discriminator_saw: Sequence[str]) -> bytes:
    """A picture that a generator drew, as the content of a PNG file.

    Args:
        image: The picture.
        discriminator_saw: Of the generator, see `adavit.models.Generator`.
    """
    text = PngInfo()
    text.add_text(KEYWORD, json.dumps(list(discriminator_saw)))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=text)
    return buffer.getvalue()


def what_its_discriminator_saw(image: Image.Image) -> tuple[str, ...] | None:
    """What an opened image says of the discriminator of the generator that drew it.

    Args:
        image: Of a file of anybody's making.

    Returns:
        Networks as names and digests, none or some; None if it says nothing, or nothing of this form.
    """
    text = image.info.get(KEYWORD)
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    try:
        seen = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(seen, list) or len(seen) > MOST_NETWORKS or not all(map(_is_network, seen)):
        return None
    return tuple(seen)


def _is_network(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and _NETWORK.fullmatch(value) is not None
