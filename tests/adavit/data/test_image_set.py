import numpy as np
import pytest

from adavit.data.image_set import ImageSet
from adavit.runtime.resolution import Resolution


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_its_size_is_that_of_its_images(channels: int) -> None:
    images = np.zeros((5, channels, 4, 8), dtype=np.uint8)
    image_set = ImageSet("drawn", images, None, (), "", (), "drawn", ())
    assert image_set.channels == channels
    assert image_set.resolution == Resolution(4, 8)


def test_the_length_of_a_set_is_its_number_of_images() -> None:
    images = np.zeros((5, 3, 4, 4), dtype=np.uint8)
    assert len(ImageSet("drawn", images, None, (), "", (), "drawn", ())) == 5
