"""What reads sound, ranges of its values, and files of web servers."""

from __future__ import annotations

import array
import importlib.util
import io
import subprocess
import sys
import types

import numpy as np
import pytest

import nnabla.utils.audio_utils as A
from nnabla.errors import ArgumentError, ExtensionError
from nnabla.utils.audio_utils.common import normalize_intensity
from nnabla.utils.audio_utils.pydub_utils import get_audiosegment_from_nparray, get_nparray_from_pydub

from .servers import file_server


@pytest.fixture(autouse=True)
def wave_again():
    yield
    A.set_backend("wave")


def test_names_of_backends():
    assert A.get_backend() == "wave"
    A.set_backend("soundfile")
    assert (A.get_backend(), A.backend_manager.module.__name__) == ("soundfile", "soundfile")
    # NNabla 1.39's only one.
    A.set_backend("pydub")
    assert (A.get_backend(), A.backend_manager.module.__name__) == ("wave", "nnabla.data.audio.wav")


def test_backend_that_is_not_installed(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "soundfile" else found(name))
    assert A.get_available_backends() == ["wave"]
    with pytest.raises(ExtensionError, match=r"'soundfile' is not installed: pip install nnabla\[audio\]"):
        A.set_backend("soundfile")


def test_ranges_of_values():
    samples = np.array([[-1.0, 0.0], [0.5, 1.0]], np.float32)
    assert A.minmax_auto_scale(samples, np.int16).tolist() == [[-32768, 0], [16383, 32767]]
    assert A.minmax_auto_scale(np.array([[3, 5, 4]], np.uint8), np.uint8).tolist() == [[0, 255, 127]]
    assert A.rescale_intensity(np.array([0.0, 128.0, 255.0]), 0, 255, -1, 1).tolist() == pytest.approx([-1, 1 / 255, 1])
    assert normalize_intensity(np.array([2.0, 3.0, 6.0]), 2, 6).tolist() == [0, 0.25, 1]


def test_sound_of_a_web_server():
    buffer = io.BytesIO()
    A.ausave(buffer, np.array([[1, 2], [3, 4]], np.int16))
    with file_server() as server:
        server.files["/a.wav"] = buffer.getvalue()
        assert A.auread(f"{server.url}/a.wav", channel_first=True).tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: A.auread("a.wav", frames=3), TypeError, "auread: unknown arguments frames"),
        (lambda: A.ausave("a.wav", np.zeros((1, 1)), rate=3), TypeError, "ausave: unknown arguments rate"),
        (lambda: A.auresize(np.zeros((1, 1)), (1, 1), kind=3), TypeError, "auresize: unknown arguments kind"),
        (lambda: A.auresize([[1]], (1, 1)), ArgumentError, r"shape \(samples, channels\), not list"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("width", [0, 3, 8])
def test_raw_files_of_other_widths(tmp_path, width):
    (tmp_path / "a.raw").write_bytes(bytes(24))
    about = {"sample_width": width, "channels": 1, "frame_rate": 8000}
    with pytest.raises(ArgumentError, match="sample_width must be 1, 2 or 4 and channels at least 1"):
        A.auread(str(tmp_path / "a.raw"), raw_format_param=about)


class Segment:
    """What a segment of pydub's has that is used here."""

    def __init__(self, data, sample_width, frame_rate, channels):
        self.data, self.sample_width, self.frame_rate, self.channels = data, sample_width, frame_rate, channels

    def get_array_of_samples(self):
        return array.array({1: "b", 2: "h", 4: "i"}[self.sample_width], self.data)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_segments_of_pydub(monkeypatch, dtype):
    monkeypatch.setitem(sys.modules, "pydub", types.SimpleNamespace(AudioSegment=Segment))
    samples = np.arange(-6, 6).reshape(6, 2).astype(dtype)
    segment = get_audiosegment_from_nparray(samples, frame_rate=8000)
    assert (segment.sample_width, segment.frame_rate, segment.channels) == (samples.itemsize, 8000, 2)
    found = get_nparray_from_pydub(segment)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, samples)
    with pytest.raises(ArgumentError, match="must be int8, int16 or int32 and of shape"):
        get_audiosegment_from_nparray(samples.astype(np.float32))


def test_the_manager_is_the_object_whatever_is_imported():
    """As in NNabla, where a module of that name is in the folder, too."""
    code = """if True:
        import nnabla.utils.audio_utils.backend_manager, nnabla.utils.image_utils.backend_manager
        for folder in (nnabla.utils.audio_utils, nnabla.utils.image_utils):
            print(type(folder.backend_manager).__name__)
    """
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.split() == ["AudioUtilsBackendManager", "ImageUtilsBackend"]
