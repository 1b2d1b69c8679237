import numpy as np

from adavit.data.image_set import ImageSet


def test_the_length_of_a_set_is_its_number_of_images() -> None:
    images = np.zeros((5, 3, 4, 4), dtype=np.uint8)
    assert len(ImageSet("drawn", images, None, (), "", (), "drawn", ())) == 5
