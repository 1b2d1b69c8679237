"""A small vector renderer: signed distances, antialiased, the same bytes on every machine.

Distances are negative inside a shape, after Quilez, "2D distance functions"
(iquilezles.org/articles/distfunctions2d). All arithmetic is in float64: what the last bit of a
library's sine does stays far below one step of a byte. Random numbers come from the raw stream of
PCG64, which NumPy keeps stable, not from `Generator`, whose methods may change.
"""

import numpy as np

Array = np.ndarray
Number = float | Array

SUPERSAMPLING = 2
# Nothing lies exactly between two bytes after this is added, so the last bit of a float never
# decides.
_ROUNDING = 0.5 + 1.37e-4


class RandomNumbers:
    """Random numbers for a batch of images.

    Args:
        seeds: What the stream is keyed by, integers >= 0.
        count: Images in the batch, n.
    """

    def __init__(self, seeds: tuple[int, ...], count: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seeds))
        self.count = count

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Array:
        """Numbers in [low, high), [n, 1, 1]."""
        raw = np.asarray(self._bits.random_raw(self.count)) >> np.uint64(11)
        return (low + (high - low) * (raw * 2.0**-53)).reshape(-1, 1, 1)

    def chance(self, probability: float) -> Array:
        """True with a probability, [n, 1, 1]."""
        return self.uniform() < probability

    def sign(self) -> Array:
        """-1 or 1, [n, 1, 1]."""
        return np.where(self.chance(0.5), 1.0, -1.0)

    def colour(
        self, hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]
    ) -> Array:
        """Colours uniform in ranges of hue (turns), saturation and value (0..1), [n, 3, 1, 1] in 0..1."""
        return hsv(self.uniform(*hue), self.uniform(*saturation), self.uniform(*value))


def hsv(hue: Array, saturation: Array, value: Array) -> Array:
    """Colours [n, 3, 1, 1] in 0..1 from hue (turns), saturation and value, [n, 1, 1] each."""
    channels = []
    for offset in (5.0, 3.0, 1.0):  # red, green, blue
        position = (offset + hue * 6.0) % 6.0
        ramp = np.clip(np.minimum(position, 4.0 - position), 0.0, 1.0)
        channels.append(value - value * saturation * ramp)
    return np.stack(channels, axis=1)


class Canvas:
    """A batch of images that shapes are painted on, one over the other.

    Coordinates run over the frame from -1 to 1, x to the right and y down. `u` and `v` are those of
    the object, which is shifted, turned, scaled and perhaps mirrored in the frame.

    Args:
        draws: Gives the light.
        size_px: Side of the finished images.

    Attributes:
        x, y: Coordinates in the frame, [1, S, S].
        u, v: Coordinates of the object, [n, S, S].
        shade: Brightness of the object's surface from the direction of the light, [n, 1, S, S],
            around 1.
    """

    def __init__(self, draws: RandomNumbers, size_px: int) -> None:
        samples = size_px * SUPERSAMPLING
        ticks = (np.arange(samples) + 0.5) / samples * 2.0 - 1.0
        self.x, self.y = ticks[None, None, :], ticks[None, :, None]
        self._pixels = np.zeros((draws.count, 3, samples, samples))
        self._step = 2.0 / samples
        angle = draws.uniform(-0.16, 0.16) * 2.0 * np.pi
        self.light_x, self.light_y = np.sin(angle), -np.cos(angle)
        self._contrast = draws.uniform(0.14, 0.34)
        self.place(0.0, 0.0, 0.0, 1.0)

    def place(
        self, x: Number, y: Number, turns: Number, scale: Number, mirror: Number = 1.0
    ) -> None:
        """Set where the object lies: its centre, rotation, size (1 fills the frame) and -1 for mirrored."""
        cosine, sine = (
            np.cos(2.0 * np.pi * np.asarray(turns)),
            np.sin(2.0 * np.pi * np.asarray(turns)),
        )
        across, down = self.x - x, self.y - y
        self.u = (cosine * across + sine * down) / scale * mirror
        self.v = (cosine * down - sine * across) / scale
        self._soft = self._step / np.asarray(scale)
        lit = self.light_x * across + self.light_y * down
        self.shade = (1.0 + self._contrast * lit / scale)[:, None]

    def fill(self, colour: Array) -> None:
        """Cover the whole frame with [n, 3, 1 or S, 1 or S]."""
        self._pixels[:] = colour

    def paint(self, distance: Array, colour: Array, opacity: Number = 1.0) -> None:
        """Paint a shape in a flat colour.

        Args:
            distance: Signed distance in the object's coordinates, [n, S, S].
            colour: [n, 3, 1, 1] or [n, 3, S, S].
            opacity: In 0..1, a number or [n, 1, 1].
        """
        self._blend(np.clip(0.5 - distance / self._soft, 0.0, 1.0) * opacity, colour)

    def solid(self, distance: Array, colour: Array, rim: float = 0.055) -> None:
        """Paint a shape with the light on it and a darker rim, which keeps neighbouring shapes apart."""
        self.paint(distance, colour * 0.42)
        self.paint(distance + rim, colour * self.shade)

    def glow(
        self,
        x: Number,
        y: Number,
        radius: Number,
        colour: Array,
        opacity: Number,
        within: Array | None = None,
    ) -> None:
        """A soft spot around a point of the object, a highlight or a shadow; only inside a shape if one is given."""
        squared = ((self.u - x) ** 2 + (self.v - y) ** 2) / np.asarray(radius) ** 2
        coverage = np.exp(-squared) * opacity
        if within is not None:
            coverage *= np.clip(0.5 - within / self._soft, 0.0, 1.0)
        self._blend(coverage, colour)

    def shadow(self, x: Number, y: Number, width: Number, height: Number, opacity: Number) -> None:
        """A soft dark ellipse on the ground, in the object's coordinates."""
        squared = ((self.u - x) / width) ** 2 + ((self.v - y) / height) ** 2
        self._blend(np.clip(1.3 - squared, 0.0, 1.0) * opacity, np.zeros((1, 3, 1, 1)))

    def finish(self) -> Array:
        """The images, uint8 [n, size_px, size_px, 3]."""
        count, _, samples, _ = self._pixels.shape
        size = samples // SUPERSAMPLING
        cells = self._pixels.clip(0.0, 1.0).reshape(
            count, 3, size, SUPERSAMPLING, size, SUPERSAMPLING
        )
        means = cells.mean(axis=(3, 5))  # [n, 3, size, size]
        return (
            np.floor(means * 255.0 + _ROUNDING).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
        )

    def _blend(self, coverage: Array, colour: Array) -> None:
        # In place, for the temporaries would cost a quarter of the time of a drawing.
        change = np.subtract(np.clip(colour, 0.0, 1.0), self._pixels)
        change *= coverage[:, None]
        self._pixels += change


def gradient(canvas: Canvas, top: Array, bottom: Array) -> None:
    """Fill the frame from one colour at its top to another at its bottom."""
    canvas.fill(top + (bottom - top) * (canvas.y[:, None] + 1.0) / 2.0)


def ground(canvas: Canvas, height: Array, near: Array, far: Array) -> None:
    """Cover the frame from `height` (in frame coordinates, y down) to its bottom."""
    canvas.place(0.0, 0.0, 0.0, 1.0)
    depth = np.clip((canvas.y - height) / (1.0 - height), 0.0, 1.0)[:, None]
    canvas.paint(height - canvas.y + 0.0 * canvas.x, far + (near - far) * depth)


def circle(u: Array, v: Array, x: Number, y: Number, radius: Number) -> Array:
    """Distance to a disc."""
    return np.sqrt((u - x) ** 2 + (v - y) ** 2) - radius


def ellipse(u: Array, v: Array, x: Number, y: Number, width: Number, height: Number) -> Array:
    """Distance to an ellipse with half-axes `width` and `height`, to first order near its edge."""
    across, down = (u - x) / width, (v - y) / height
    level = np.sqrt(across**2 + down**2)
    slope = np.sqrt((across / width) ** 2 + (down / height) ** 2) + 1e-9
    return level * (level - 1.0) / slope


def box(
    u: Array, v: Array, x: Number, y: Number, width: Number, height: Number, round_: float = 0.0
) -> Array:
    """Distance to a box with half-sides `width` and `height` and corners rounded by `round_`."""
    across, down = np.abs(u - x) - width + round_, np.abs(v - y) - height + round_
    outside = np.sqrt(np.maximum(across, 0.0) ** 2 + np.maximum(down, 0.0) ** 2)
    return outside + np.minimum(np.maximum(across, down), 0.0) - round_


def convex(u: Array, v: Array, corners: list[tuple[float, float]]) -> Array:
    """Distance to a convex polygon whose corners run clockwise as seen (y down); exact along its sides."""
    distance = np.full(np.broadcast_shapes(u.shape, v.shape), -np.inf)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        normal_x, normal_y = (y1 - y0) / length, -(x1 - x0) / length
        np.maximum(distance, (u - x0) * normal_x + (v - y0) * normal_y, out=distance)
    return distance


def segment(
    u: Array, v: Array, x0: float, y0: float, x1: float, y1: float, radius: Number
) -> Array:
    """Distance to a line with round ends."""
    across, down = x1 - x0, y1 - y0
    along = ((u - x0) * across + (v - y0) * down) / (across**2 + down**2)
    along = np.clip(along, 0.0, 1.0)
    return np.sqrt((u - x0 - along * across) ** 2 + (v - y0 - along * down) ** 2) - radius
