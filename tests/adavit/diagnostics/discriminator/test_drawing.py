import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from adavit.diagnostics.discriminator.drawing import new_figure


@pytest.mark.parametrize(
    "title",
    ["a run", "/home/someone/experiments/00012-my_photos-vit-bgc" * 4, "words of a title " * 12],
)
@pytest.mark.parametrize("width", [3.0, 6.7])
def test_a_title_stays_within_its_picture(title: str, width: float) -> None:
    figure = new_figure(width, 4, title)
    FigureCanvasAgg(figure)
    figure.canvas.draw()
    (text,) = figure.texts
    extent = text.get_window_extent()
    assert extent.x1 <= figure.bbox.x1
    assert extent.y1 <= figure.bbox.y1
