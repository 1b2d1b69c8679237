import io

from matplotlib.figure import Figure
from PIL import Image

from adavit.runtime.pictures import (
    CAPTION_HEIGHT,
    FRAME_MS,
    LAST_FRAME_MS,
    figure_png,
    film_frame,
    is_result,
    opaque,
    result_film,
    result_gif,
    result_png,
)


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


def test_a_film_of_results_says_so_before_a_frame_is_read_and_keeps_its_frames() -> None:
    frames = [Image.new("RGB", (9, 7), colour).quantize() for colour in ("red", "lime", "blue")]
    film = Image.open(io.BytesIO(result_gif(frames, milliseconds=(100, 200, 900))))
    assert is_result(film)
    seen = []
    for index in range(3):
        film.seek(index)
        seen.append((film.info["duration"], film.convert("RGB").getpixel((4, 3))))
    assert film.n_frames == 3
    assert seen == [(100, (255, 0, 0)), (200, (0, 255, 0)), (900, (0, 0, 255))]


def test_what_is_transparent_stands_on_squares_and_what_is_not_stays() -> None:
    glyph = Image.new("RGBA", (20, 12))
    glyph.paste((0, 0, 0, 255), (0, 0, 4, 12))
    glyph.info["a"] = "b"
    seen = opaque(glyph)
    assert (seen.mode, seen.info["a"]) == ("RGB", "b")
    found = [seen.getpixel(place)[0] for place in ((3, 3), (4, 3), (8, 3), (16, 3), (16, 8))]
    assert found == [0, 205, 255, 205, 255]
    half = Image.new("LA", (1, 1), (55, 128))
    assert opaque(half).getpixel((0, 0))[0] == round(205 + (55 - 205) * 128 / 255)
    colour = Image.new("RGB", (2, 2), (1, 2, 3))
    assert opaque(colour).tobytes() == colour.tobytes()


def test_other_images_do_not() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    assert not is_result(opened(buffer.getvalue()))


def test_a_frame_has_a_caption_below_and_is_made_no_larger_than_can_be_mailed() -> None:
    frame = film_frame(Image.new("RGB", (1200, 300), "red"), "step 3").convert("RGB")
    assert frame.size == (600, 150 + CAPTION_HEIGHT)
    assert frame.getpixel((300, 75)) == (255, 0, 0)
    assert frame.convert("L").crop((0, 150, 600, 150 + CAPTION_HEIGHT)).getextrema()[1] > 100


def test_a_film_rests_at_its_end() -> None:
    frames = [film_frame(Image.new("RGB", (8, 8), colour), "") for colour in ("red", "blue", "red")]
    film = Image.open(io.BytesIO(result_film(frames)))
    times = []
    for number in range(film.n_frames):
        film.seek(number)
        times.append(film.info["duration"])
    assert times == [FRAME_MS, FRAME_MS, LAST_FRAME_MS]
