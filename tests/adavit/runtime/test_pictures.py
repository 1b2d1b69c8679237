import io

from matplotlib.figure import Figure
from PIL import Image

from adavit.runtime.pictures import figure_png, is_result, result_png


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def test_pictures_of_results_say_so_and_keep_their_pixels() -> None:
    picture = Image.effect_noise((9, 7), 40).convert("RGB")
    written = opened(result_png(picture))
    assert is_result(written)
    assert written.tobytes() == picture.tobytes()
    drawn = opened(figure_png(Figure(figsize=(2, 1)), dpi=50))
    assert is_result(drawn)
    assert drawn.size == (100, 50)


def test_other_images_do_not() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    assert not is_result(opened(buffer.getvalue()))
