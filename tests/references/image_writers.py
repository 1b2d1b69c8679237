"""PNG, TIFF and ICC files written byte by byte from their specifications: their values are known without a reader.

PNG: third edition, W3C 2023. TIFF: revision 6.0. ICC: ICC.1:2022, matrix profiles only.
"""

import struct
import zlib
from collections.abc import Sequence

import numpy as np

PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG: length, name, content, checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_png(
    samples: np.ndarray,
    colour_type: int,
    bits: int,
    *,
    interlaced: bool = False,
    before: Sequence[tuple[bytes, bytes]] = (),
    behind: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """A PNG of samples [H, W, channels], whose rows take the five filters in turn.

    Other chunks lie `before` and `behind` the pixels.
    """
    height, width, channels = samples.shape
    assert channels == PNG_CHANNELS[colour_type]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, int(interlaced))
    passes = [(0, 0, 1, 1)] if not interlaced else _ADAM7
    data = b"".join(
        _filtered(samples[top::down, left::right], bits) for top, left, down, right in passes
    )
    middle = zlib.compress(data)
    half = len(middle) // 2
    chunks = [
        (b"IHDR", header),
        *before,
        (b"IDAT", middle[:half]),
        (b"IDAT", middle[half:]),
        *behind,
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in chunks)


def _filtered(samples: np.ndarray, bits: int) -> bytes:
    _, width, channels = samples.shape
    if width == 0:
        return b""
    step = max(1, channels * bits // 8)
    above = np.zeros((width * channels * bits + 7) // 8, dtype=int)
    written = b""
    for number, row in enumerate(samples):
        line = np.frombuffer(pack(row, bits, big_endian=True), dtype=np.uint8).astype(int)
        left = np.concatenate([np.zeros(step, dtype=int), line])[: len(line)]
        corner = np.concatenate([np.zeros(step, dtype=int), above])[: len(line)]
        estimate = left + above - corner
        distances = np.abs(np.stack([estimate - left, estimate - above, estimate - corner]))
        paeth = np.choose(distances.argmin(axis=0), [left, above, corner])
        kind = number % 5
        predicted = [np.zeros_like(line), left, above, (left + above) // 2, paeth][kind]
        written += bytes([kind]) + ((line - predicted) % 256).astype(np.uint8).tobytes()
        above = line
    return written


def pack(row: np.ndarray, bits: int, *, big_endian: bool) -> bytes:
    """Samples side by side, the first in the highest bits of the first byte; the row ends at a whole byte."""
    flat = np.asarray(row).reshape(-1)
    if bits == 16:
        return flat.astype(">u2" if big_endian else "<u2").tobytes()
    every = (flat[:, None].astype(int) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(every.astype(np.uint8).reshape(-1)).tobytes()


def to_eight_bits(samples: np.ndarray, bits: int) -> np.ndarray:
    """The nearest of 256 levels, white to white: round(v * 255 / (2^bits - 1))."""
    return np.floor(samples.astype(np.float64) * 255.0 / (2**bits - 1) + 0.5).astype(np.uint8)


def write_tiff(
    samples: np.ndarray,
    photometric: int,
    bits: int,
    *,
    big_endian: bool = False,
    planar: bool = False,
    deflated: bool = False,
    tags: dict[int, Sequence[int]] | None = None,
    profile: bytes = b"",
) -> bytes:
    """A TIFF of samples [H, W, channels] in one strip (one for each channel if `planar`)."""
    order = ">" if big_endian else "<"
    height, width, channels = samples.shape
    planes = [samples[..., [c]] for c in range(channels)] if planar else [samples]
    strips = [b"".join(pack(row, bits, big_endian=big_endian) for row in plane) for plane in planes]
    strips = [zlib.compress(strip) for strip in strips] if deflated else strips
    start = 8
    offsets = [start + sum(map(len, strips[:i])) for i in range(len(strips))]
    entries: dict[int, Sequence[int]] = {
        256: [width],
        257: [height],
        258: [bits] * channels,
        259: [8 if deflated else 1],
        262: [photometric],
        273: offsets,
        277: [channels],
        278: [height],
        279: [len(strip) for strip in strips],
        284: [2 if planar else 1],
        **(tags or {}),
    }
    body = b"".join(strips)
    body += b"\0" * (len(body) % 2)
    table, extra = b"", b""
    directory = start + len(body)
    count = len(entries) + bool(profile)
    extra_start = directory + 2 + 12 * count + 4
    for tag, values in sorted(entries.items()):
        kind, letter = (4, "I") if tag in (273, 279) else (3, "H")
        packed = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(packed) > 4:
            place = struct.pack(f"{order}I", extra_start + len(extra))
            extra += packed + b"\0" * (len(packed) % 2)
        else:
            place = packed.ljust(4, b"\0")
        table += struct.pack(f"{order}HHI", tag, kind, len(values)) + place
    if profile:  # tag 34675 is the largest here
        table += struct.pack(f"{order}HHII", 34675, 7, len(profile), extra_start + len(extra))
        extra += profile
    mark = b"MM" if big_endian else b"II"
    head = mark + struct.pack(f"{order}HI", 42, directory)
    return (
        head + body + struct.pack(f"{order}H", count) + table + struct.pack(f"{order}I", 0) + extra
    )


# Columns are the D50-adapted XYZ of red, green and blue.
DISPLAY_P3 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
ADOBE_RGB = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)


def write_profile(primaries: np.ndarray | None, gamma: float | None, name: str = "test") -> bytes:
    """An ICC profile, version 2.4: RGB with the primaries, or grey without them.

    Light is value^gamma; without a gamma it is sRGB's curve in 1,024 steps, as in the profile of most cameras.
    """

    def fixed(number: float) -> bytes:
        return struct.pack(">i", round(number * 65536))

    def colour(values: Sequence[float]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    white = (0.9642, 1.0, 0.8249)
    if gamma is None:
        values = np.linspace(0, 1, 1024)
        light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        curve = b"curv\0\0\0\0" + struct.pack(">I", 1024)
        curve += np.rint(light * 65535).astype(">u2").tobytes()
    else:
        curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = name.encode() + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78
    tags = [(b"desc", description), (b"cprt", b"text\0\0\0\0CC0\0"), (b"wtpt", colour(white))]
    if primaries is None:
        tags.append((b"kTRC", curve))
    else:
        tags += [
            (n + b"XYZ", colour(p)) for n, p in zip((b"r", b"g", b"b"), primaries.T, strict=True)
        ]
        tags += [(n + b"TRC", curve) for n in (b"r", b"g", b"b")]
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for key, value in tags:
        table += key + struct.pack(">II", start + len(body), len(value))
        body += value + b"\0" * (-len(value) % 4)
    space = b"GRAY" if primaries is None else b"RGB "
    head = struct.pack(
        ">I4sI4s4s4s", start + len(body), b"\0" * 4, 0x02400000, b"mntr", space, b"XYZ "
    )
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    head += b"".join(map(fixed, white)) + b"\0" * 48
    return head + table + body


def profile_to_srgb(values: np.ndarray, primaries: np.ndarray | None, gamma: float) -> np.ndarray:
    """uint8 [..., 3] in the colours of `write_profile` -> sRGB in 0..255, float64, clipped."""
    light = (values.astype(np.float64) / 255.0) ** gamma
    linear = light if primaries is None else light @ (np.linalg.inv(SRGB) @ primaries).T
    linear = linear.clip(0.0, 1.0)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return curved * 255.0
