"""What the original NNabla makes of images and sound: values read, resized, written.

    python tests/reference/record_images.py

writes ``tests/reference/images/``: ``files/``, small images and sounds of every kind, and ``recorded.json``, what each
scenario gives with each backend. `tests/data/test_images.py` runs the same on this package. The original needs
``pip install "pillow==12.3.0" opencv-python-headless==4.11.0.86 pypng pydicom pydub`` beside it. Only NNabla's public
API is used here.
"""

from __future__ import annotations

import itertools
import json
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import nnabla.utils.audio_utils as A
import nnabla.utils.data_source_loader as L
import nnabla.utils.image_utils as I
from nnabla.utils.image_utils.backend_events import common

FOLDER = Path(__file__).resolve().parent / "images"
BACKENDS = ("PilBackend", "Cv2Backend", "PngBackend", "DicomBackend")


def make_files(folder: Path) -> None:
    """Images of 4 x 6 pixels."""
    import png
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset

    folder.mkdir(parents=True)
    rng = np.random.RandomState(1)
    grey, rgb, rgba = (rng.randint(0, 256, (4, 6, *c)).astype(np.uint8) for c in ((), (3,), (4,)))
    for name, pixels in (("grey", grey), ("rgb", rgb), ("rgba", rgba), ("la", rgba[:, :, :2]), ("bit", grey > 127)):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    for name in ("rgb.bmp", "rgb.tif", "rgb.jpg"):
        Image.fromarray(rgb).save(folder / name)
    Image.fromarray(grey).save(folder / "grey.tif")
    Image.fromarray(grey).save(folder / "grey.jpg")
    Image.fromarray(rgb).convert("P").save(folder / "palette.png")
    Image.fromarray(rgb).convert("P").save(folder / "palette.gif")
    Image.fromarray(rgb).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(grey.astype(np.float32) / 255).save(folder / "float.tif")
    few = Image.fromarray(grey % 4).convert("P")
    few.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30])
    few.save(folder / "transparent.png", transparency=1)
    for name, mode, channels in (("grey16", "L", 1), ("la16", "LA", 2), ("rgb16", "RGB", 3), ("rgba16", "RGBA", 4)):
        rows = rng.randint(0, 65536, (4, 6 * channels)).astype(np.uint16).tolist()
        png.from_array(rows, f"{mode};16").save(folder / f"{name}.png")
    for bits in (2, 4):
        png.from_array(rng.randint(0, 2**bits, (4, 6)).tolist(), f"L;{bits}").save(folder / f"grey{bits}.png")
    cases = {
        "grey8": (grey, {}),
        "grey12": (grey.astype(np.uint16) * 16, {"BitsStored": 12}),
        "grey16": (grey.astype(np.uint16) * 257, {}),
        "inverted": (grey, {"PhotometricInterpretation": "MONOCHROME1"}),
        "signed": (grey.astype(np.int16) * 10 - 1000, {"PixelRepresentation": 1}),
        "rgb": (rgb, {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0}),
        "window": (grey.astype(np.uint16) * 10, {"WindowCenter": 1000, "WindowWidth": 500}),
        "slope": (grey.astype(np.uint16) * 10, {"RescaleSlope": "2", "RescaleIntercept": "-100"}),
    }
    for name, (pixels, tags) in cases.items():
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
        data.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        data.Rows, data.Columns, data.SamplesPerPixel = 4, 6, 1
        data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
        data.BitsAllocated = data.BitsStored = 8 * pixels.dtype.itemsize
        for tag, value in tags.items():
            setattr(data, tag, value)
        data.HighBit = data.BitsStored - 1
        data.PixelData = pixels.tobytes()
        data.save_as(folder / f"{name}.dcm", enforce_file_format=True)


def described(value: Any) -> list[Any]:
    """Type, shape and values of an array."""
    array = np.asarray(value)
    return [str(array.dtype), list(array.shape), array.ravel().tolist()]


def arrays() -> dict[str, Any]:
    """Images in memory."""
    rng = np.random.RandomState(0)
    rgb = rng.randint(0, 256, (4, 6, 3)).astype(np.uint8)
    grey = rgb[:, :, 0]
    return {
        "grey": grey,
        "grey, 3 axes": grey[:, :, np.newaxis],
        "rgb": rgb,
        "la": np.ascontiguousarray(rgb[:, :, :2]),
        "rgba": np.dstack([rgb, grey]),
        "grey uint16": grey.astype(np.uint16) * 257,
        "rgb uint16": rgb.astype(np.uint16) * 257,
        "rgb float32": rgb.astype(np.float32) / 255,
        "rgb float64": rgb / 255.0,
        "rgb above 1": rgb.astype(np.float64),
        "rgb below 0": rgb / 255.0 - 0.5,
        "rgb int32": rgb.astype(np.int32),
        "rgb truth": rgb > 100,
        "six channels": np.dstack([rgb, rgb]),
    }


class Scenarios:
    """Functions by name; each gives something that JSON can hold, or raises an error."""

    def __init__(self, files: Path, scratch: Path) -> None:
        self.files, self.scratch = files, scratch
        self.all: dict[str, Callable[[], Any]] = {}
        self._reading()
        self._resizing()
        self._writing()
        self._values()
        self._loading()
        self._sound()

    def run(self, name: str) -> Any:
        """What a scenario gives; of one that fails, that it does."""
        before = I.get_backend()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return json.loads(json.dumps(self.all[name]()))
        except Exception:
            return "error"
        finally:
            I.set_backend(before or "PilBackend")

    def _with(self, backend: str, function: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            I.set_backend(backend)
            return described(function())

        return run

    def _reading(self) -> None:
        options: list[dict[str, Any]] = [
            {},
            {"grayscale": True},
            {"channel_first": True},
            {"num_channels": 3},
            {"num_channels": 4},
            {"num_channels": 1},
            {"num_channels": 1, "grayscale": True},
            {"num_channels": 3, "grayscale": True},
            {"size": (3, 2)},
            {"size": (8, 5), "interpolate": "nearest"},
            {"size": (3, 2), "interpolate": "bicubic", "channel_first": True},
            {"as_uint16": True},
            {"as_uint16": True, "grayscale": True},
            {"as_uint16": True, "num_channels": 4},
        ]
        for path, given, backend in itertools.product(sorted(self.files.iterdir()), options, BACKENDS):
            if (path.suffix == ".dcm") != (backend == "DicomBackend"):
                continue
            if backend == "PngBackend" and path.suffix != ".png":
                continue
            self.all[f"{backend}: imread({path.name}, {given})"] = self._with(
                backend, lambda p=path, g=given: I.imread(str(p), **g)
            )
        for name in ("palette.png", "palette.gif", "rgb.png"):
            self.all[f"PilBackend: imread({name}, palette indices)"] = self._with(
                "PilBackend", lambda n=name: I.imread(str(self.files / n), return_palette_indices=True)
            )

    def _resizing(self) -> None:
        for backend, (name, array) in itertools.product(BACKENDS[:2], arrays().items()):
            for interpolate in ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"):
                if interpolate != "bilinear" and name not in ("rgb", "rgb uint16", "grey", "rgb float32"):
                    continue
                for size in ((3, 2), (9, 7)):
                    self.all[f"{backend}: imresize({name}, {size}, {interpolate})"] = self._with(
                        backend, lambda a=array, s=size, i=interpolate: I.imresize(a, s, i)
                    )
            if array.ndim == 3:
                first = np.ascontiguousarray(array.transpose(2, 0, 1))
                self.all[f"{backend}: imresize({name}, channel_first)"] = self._with(
                    backend, lambda a=first: I.imresize(a, (3, 2), channel_first=True)
                )

    def _writing(self) -> None:
        for backend, (name, array) in itertools.product(BACKENDS[:3], arrays().items()):
            for as_uint16, auto_scale in itertools.product((False, True), repeat=2):
                given = dict(as_uint16=as_uint16, auto_scale=auto_scale)
                self.all[f"{backend}: imsave({name}, {given})"] = self._with(
                    backend, lambda a=array, g=given: self._written("image.png", a, **g)
                )
        for extension in ("bmp", "tif", "gif", "xyz"):
            self.all[f"imsave as .{extension}"] = self._with(
                "PilBackend", lambda e=extension: self._written(f"image.{e}", arrays()["rgb"])
            )
        first = arrays()["rgb"].transpose(2, 0, 1)
        self.all["imsave channel_first"] = self._with(
            "PilBackend", lambda: self._written("image.png", first, channel_first=True)
        )

    def _written(self, name: str, array: Any, **given: Any) -> Any:
        """What stands in a file that was written."""
        import png

        path = self.scratch / name
        if path.exists():
            path.unlink()
        I.imsave(str(path), array, **given)
        if path.suffix != ".png":
            return np.asarray(Image.open(path).convert("RGB"))
        with open(path, "rb") as file:
            width, height, rows, about = png.Reader(file=file).read()
            values = np.array([list(row) for row in rows])
        assert (about["bitdepth"] == 16) == bool(given.get("as_uint16"))
        return values.reshape(height, width, about["planes"])

    def _values(self) -> None:
        values = {
            "uint8": np.array([[0, 100, 128, 200, 254]], np.uint8),
            "uint16": np.array([[0, 100, 255, 1000, 65000]], np.uint16),
            "float32": np.array([[0, 0.25, 0.5, 0.75, 1]], np.float32),
            "float64": np.array([[-2, 0, 1, 300, 1000.0]]),
            "int64": np.array([[-5, 0, 5, 300]]),
            "one value": np.full((1, 3), 7.0),
            "zeros": np.zeros((1, 3)),
        }
        for (name, array), as_uint16 in itertools.product(values.items(), (False, True)):
            self.all[f"minmax_auto_scale({name}, {as_uint16})"] = lambda a=array, u=as_uint16: described(
                I.minmax_auto_scale(a, u)
            )
            if name in ("uint8", "uint16", "float32"):
                for function in (
                    "check_type_and_cast_if_necessary",
                    "upscale_pixel_intensity",
                ):
                    self.all[f"{function}({name}, {as_uint16})"] = lambda a=array, u=as_uint16, f=function: described(
                        getattr(common, f)(a, u)
                    )
        for (name, array), given in itertools.product(
            values.items(), ((), (0, 255, 0, 1, np.float32), (0, 1, 0, 100), (3, 3, 0, 255), (0, 1000, 5, 1))
        ):
            if name in ("float32", "float64", "one value") or given in ((), (0, 255, 0, 1, np.float32)):
                self.all[f"rescale_pixel_intensity({name}, {given[:4]})"] = lambda a=array, g=given: described(
                    I.rescale_pixel_intensity(a, *g)
                )

    def _loading(self) -> None:
        for path in sorted(self.files.iterdir()):
            if path.suffix in (".dcm", ".jpg"):
                continue
            for normalize in (False, True):
                self.all[f"load_image({path.name}, normalize={normalize})"] = self._with(
                    "PilBackend", lambda p=path, n=normalize: L.load_image(str(p), normalize=n)
                )
            for largest in (1.0, 255.0, -1, 2.0):
                self.all[f"load_image_imread({path.name}, {largest})"] = self._with(
                    "PilBackend", lambda p=path, m=largest: L.load_image_imread(str(p), max_range=m)
                )

    def _sound(self) -> None:
        for name, dtype in itertools.product(("int16", "uint8", "float64"), (np.uint8, np.int16, np.int32)):
            array = (np.arange(12).reshape(6, 2) * 8).astype(name) - (0.3 if name == "float64" else 0)
            self.all[f"audio minmax_auto_scale({name}, {dtype.__name__})"] = lambda a=array, d=dtype: described(
                A.minmax_auto_scale(a, d)
            )
        for dtype in (np.int16, np.int32):
            array = (np.arange(12).reshape(6, 2) * 1000).astype(dtype)
            self.all[f"ausave and auread {dtype.__name__}"] = lambda a=array: self._sounds(a)
            self.all[f"auread channel_first {dtype.__name__}"] = lambda a=array: self._sounds(a, channel_first=True)

    def _sounds(self, array: Any, **given: Any) -> Any:
        path = str(self.scratch / "sound.wav")
        A.ausave(path, array, frame_rate=8000)
        return described(A.auread(path, **given))


def main() -> None:
    logging.disable(logging.CRITICAL)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    make_files(FOLDER / "files")
    with tempfile.TemporaryDirectory() as scratch:
        scenarios = Scenarios(FOLDER / "files", Path(scratch))
        recorded = {name: scenarios.run(name) for name in scenarios.all}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in recorded.items())
    (FOLDER / "recorded.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    print(len(recorded), "scenarios", file=sys.stderr)


if __name__ == "__main__":
    main()
