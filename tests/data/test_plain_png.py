"""PNG files that are read with fewer detours: as Pillow reads them, whatever is wrong with a file."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import png
import pytest
from PIL import Image, PngImagePlugin

from nnabla.data.images import pillow, plain_png
from nnabla.utils.image_utils import imread, set_backend

RNG = np.random.RandomState(0)


def saved(array, mode=None, **options):
    buffer = io.BytesIO()
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(buffer, "PNG", **options)
    return buffer.getvalue()


def random_pixels(height, width, channels):
    return RNG.randint(0, 256, (height, width, channels) if channels > 1 else (height, width)).astype(np.uint8)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(data, kind, body):
    """The file with one more chunk behind its header."""
    return data[:33] + chunk(kind, body) + data[33:]


def pixels(data):
    assert plain_png.is_plain(data)
    return plain_png.pixels(data, Image)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 17), (200, 300)])
def test_pixels(channels, size):
    array = random_pixels(*size, channels)
    data = saved(array)
    if size == (200, 300):
        assert data.count(b"IDAT") > 1 or channels == 1
    found = pixels(data)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


def test_all_ways_to_filter():
    """pypng filters nothing, Pillow chooses for each row; zlib decides nothing here."""
    array = np.linspace(0, 255, 64 * 64 * 3).astype(np.uint8).reshape(64, 64, 3)
    buffer = io.BytesIO()
    png.Writer(64, 64, greyscale=False).write(buffer, array.reshape(64, -1).tolist())
    for data in (buffer.getvalue(), saved(array), saved(array, optimize=True), saved(array, compress_level=0)):
        np.testing.assert_array_equal(pixels(data), array)


def test_chunks_that_tell_nothing():
    array = random_pixels(4, 4, 3)
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "four by four")
    np.testing.assert_array_equal(pixels(saved(array, pnginfo=text, dpi=(100, 100))), array)


@pytest.mark.parametrize(
    "data",
    [
        saved(random_pixels(4, 4, 3), mode="P"),
        saved(random_pixels(4, 4, 1), mode="1"),
        saved(random_pixels(4, 4, 1).astype(np.uint16)),
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff" + bytes(60),
    ],
    ids=["palette", "1 bit", "16 bits", "no header", "JPEG"],
)
def test_others_are_not_plain(data):
    assert not plain_png.is_plain(data)


def test_interlaced_files_are_not_plain():
    array = random_pixels(9, 9, 3)
    buffer = io.BytesIO()
    png.Writer(9, 9, greyscale=False, interlace=True).write(buffer, array.reshape(9, -1).tolist())
    assert not plain_png.is_plain(buffer.getvalue())
    np.testing.assert_array_equal(imread(buffer), array)


def test_what_is_left_to_pillow():
    array = random_pixels(4, 4, 3)
    data = saved(array)
    assert pixels(with_chunk(data, b"tRNS", bytes(6))) is None
    assert pixels(with_chunk(data, b"acTL", bytes(8))) is None
    assert pixels(with_chunk(data, b"pHYs", bytes(8))) is None
    assert pixels(data[:-12]) is None
    twice = data.replace(data[33:-12], data[33:-12] + chunk(b"tEXt", b"a\0b") + data[33:-12])
    assert pixels(twice) is None


def test_large_images_are_left_to_pillow(monkeypatch):
    data = saved(random_pixels(4, 4, 3))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)
    assert pixels(data) is None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert pixels(data) is not None


def outcome(data):
    try:
        return imread(io.BytesIO(data)).tolist()
    except Exception as error:
        return type(error).__name__, str(error)


def test_damaged_files_are_read_as_pillow_reads_them(monkeypatch):
    """Cut off anywhere, and with any byte changed: the same pixels or the same error as by Pillow alone."""
    whole = with_chunk(saved(random_pixels(3, 2, 3)), b"gAMA", struct.pack(">I", 45455))
    damaged = [whole[:n] for n in range(len(whole))]
    for at in range(len(whole)):
        for change in (1, 0x20, 0x80):
            damaged.append(whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :])
    found = [outcome(data) for data in damaged]
    monkeypatch.setattr(pillow, "_plain_pixels", lambda source: None)
    for data, result in zip(damaged, found, strict=True):
        assert result == outcome(data), data


def test_sources_of_any_kind(tmp_path):
    array = random_pixels(4, 6, 3)
    path = tmp_path / "a.png"
    path.write_bytes(saved(array))
    expected = array.transpose(2, 0, 1)
    np.testing.assert_array_equal(imread(str(path), channel_first=True), expected)
    np.testing.assert_array_equal(imread(path, channel_first=True), expected)
    with open(path, "rb") as file:
        file.read(5)
        np.testing.assert_array_equal(imread(file, channel_first=True), expected)
    set_backend("pil")
    try:
        grey = imread(path, grayscale=True)
    finally:
        set_backend("")
    assert grey.shape == (4, 6)
