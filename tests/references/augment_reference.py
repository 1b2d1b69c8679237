"""Slow float64 NumPy augmentation, written from the definitions: loops, padding, one step at a time.

Nothing of `augment` is used here. Images are [C, H, W]. The resampler pads the reflected image generously, puts zeros
between the samples, convolves, samples at each position by itself, convolves and drops every second sample.
"""

import math

import numpy as np


def daubechies_polynomial_roots(vanishing):
    """Roots z of the half-band polynomial of Daubechies' filters, apart from those at -1."""
    # P(y) = sum_k C(N - 1 + k, k) y^k with y = (2 - z - 1/z) / 4
    y_roots = np.roots([math.comb(vanishing - 1 + k, k) for k in reversed(range(vanishing))])
    pairs = []
    for y in y_roots:
        # z^2 - (2 - 4 y) z + 1 = 0
        pairs.append(np.roots([1, -(2 - 4 * y), 1]))
    return pairs


def orthogonal_filters(vanishing):
    """All real orthogonal filters with so many vanishing moments, [count, 2 * vanishing]."""
    pairs = daubechies_polynomial_roots(vanishing)
    filters = []
    for choice in range(2 ** len(pairs)):
        roots = [pair[(choice >> i) & 1] for i, pair in enumerate(pairs)]
        taps = np.poly(roots + [-1.0] * vanishing)
        if np.abs(taps.imag).max() < 1e-9 * np.abs(taps).max():
            filters.append(taps.real * math.sqrt(2) / taps.real.sum())
    return np.array(filters)


def reflected_index(index, size):
    """Reflection about the centres of the border pixels, step by step."""
    if size == 1:
        return 0
    while index < 0 or index >= size:
        index = -index if index < 0 else 2 * (size - 1) - index
    return index


def pad_reflected(image, pad_y, pad_x):
    """Pad [C, H, W] on all sides by repeated reflection."""
    _, height, width = image.shape
    rows = [reflected_index(i, height) for i in range(-pad_y, height + pad_y)]
    columns = [reflected_index(i, width) for i in range(-pad_x, width + pad_x)]
    return image[:, rows][:, :, columns]


def convolve_axis(image, taps, axis):
    """Full convolution along one axis."""
    return np.apply_along_axis(lambda line: np.convolve(line, taps), axis, image)


def resample(image, inverse, taps, peak=5):
    """Upsample by 2, sample bilinearly at the inverse map, low-pass, downsample by 2.

    `inverse` [3, 3] is in pixels about the image centre.
    """
    channels, height, width = image.shape
    # Room for every position that is asked for.
    corners = np.array(
        [[sx * (width / 2 + 4), sy * (height / 2 + 4), 1] for sx in (-1, 1) for sy in (-1, 1)]
    )
    reach = np.abs((inverse @ corners.T)[:2]).max(axis=1)
    pad_x = int(max(reach[0] - width / 2, 0)) + 14
    pad_y = int(max(reach[1] - height / 2, 0)) + 14
    padded = pad_reflected(image, pad_y, pad_x)
    up = np.zeros((channels, 2 * padded.shape[1], 2 * padded.shape[2]))
    up[:, ::2, ::2] = padded
    for axis in (1, 2):
        up = convolve_axis(up, math.sqrt(2) * taps, axis)
    # up[peak + 2 i] is pixel i - pad
    out_y, out_x = 2 * height + 10, 2 * width + 10
    sampled = np.zeros((channels, out_y, out_x))
    for row in range(out_y):
        for column in range(out_x):
            # position in pixels about the centre of the image
            x = (column - peak) / 2 - (width - 1) / 2
            y = (row - peak) / 2 - (height - 1) / 2
            sx, sy, _ = inverse @ np.array([x, y, 1.0])
            ux = 2 * (sx + (width - 1) / 2 + pad_x) + peak
            uy = 2 * (sy + (height - 1) / 2 + pad_y) + peak
            x0, y0 = math.floor(ux), math.floor(uy)
            fx, fy = ux - x0, uy - y0
            top = (1 - fx) * up[:, y0, x0] + fx * up[:, y0, x0 + 1]
            bottom = (1 - fx) * up[:, y0 + 1, x0] + fx * up[:, y0 + 1, x0 + 1]
            sampled[:, row, column] = (1 - fy) * top + fy * bottom
    low = sampled
    for axis in (1, 2):
        low = convolve_axis(low, taps[::-1] / math.sqrt(2), axis)
    return low[:, 11 : 11 + 2 * height : 2, 11 : 11 + 2 * width : 2]


def rotation(angle):
    """R(a) of the definitions, 3 x 3."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def translation(x, y):
    """Translation by (x, y), 3 x 3."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def rodrigues(axis, angle):
    """Right-handed rotation about a unit axis, by Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


def color_map(brightness, contrast, flip, hue_angle, saturation):
    """The colour map as a 4 x 4 matrix, one factor after the other, each new one on the left."""
    v = np.array([1, 1, 1]) / math.sqrt(3)
    luma = np.outer(v, v)
    steps = [np.eye(4) for _ in range(5)]
    steps[0][:3, 3] = brightness
    steps[1][:3, :3] *= contrast
    steps[2][:3, :3] -= 2 * flip * luma
    steps[3][:3, :3] = rodrigues(v, hue_angle)
    steps[4][:3, :3] = luma + (np.eye(3) - luma) * saturation
    result = np.eye(4)
    for step in steps:
        result = step @ result
    return result


def change_colors(image, matrix):
    """Apply a 4 x 4 colour map; grey images by the mean of its rows, alpha untouched."""
    if image.shape[0] == 1:
        row = matrix[:3].mean(axis=0)
        return image * row[:3].sum() + row[3]
    result = image.copy()
    result[:3] = np.einsum("ij,jhw->ihw", matrix[:3, :3], image[:3]) + matrix[:3, 3, None, None]
    return result


def filter_bank(low):
    """The four bands by the dyadic tree, with NumPy's convolution."""
    high = low * (-1) ** np.arange(len(low))
    lo2 = np.convolve(low, low[::-1]) / 2
    hi2 = np.convolve(high, high[::-1]) / 2
    bank = np.eye(4, 1)
    for i in range(1, 4):
        spread = np.zeros((4, 2 * bank.shape[1] - 1))
        spread[:, ::2] = bank
        bank = np.array([np.convolve(band, lo2) for band in spread])
        start = (bank.shape[1] - len(hi2)) // 2
        bank[i, start : start + len(hi2)] += hi2
    return bank


def band_gains(drawn):
    """Normalise one gain at a time and multiply the vectors."""
    power = np.array([10, 1, 1, 1]) / 13
    total = np.ones(4)
    for i, gain in enumerate(drawn):
        vector = np.ones(4)
        vector[i] = gain
        total = total * vector / math.sqrt((power * vector**2).sum())
    return total


def filter_image(image, taps):
    """Separable filter with reflected borders, one tap after the other."""
    middle = len(taps) // 2
    for axis in (1, 2):
        size = image.shape[axis]
        result = np.zeros_like(image)
        for k, tap in enumerate(taps):
            index = [reflected_index(i + k - middle, size) for i in range(size)]
            result += tap * np.take(image, index, axis=axis)
        image = result
    return image


def cut_box(image, centre_x, centre_y, size):
    """Set a box to 0, pixel by pixel."""
    result = image.copy()
    _, height, width = image.shape
    for row in range(height):
        for column in range(width):
            inside_x = abs((column + 0.5) / width - centre_x) < size / 2
            inside_y = abs((row + 0.5) / height - centre_y) < size / 2
            if inside_x and inside_y:
                result[:, row, column] = 0
    return result
