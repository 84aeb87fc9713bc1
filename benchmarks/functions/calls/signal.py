"""Signals, resizing, and sampling of images."""

from __future__ import annotations

import nnabla.functions as F
from functions.call import Call, normal, uniform

COMPLEX, COMPLEXES = (normal(16, 512, 2),), (normal(512, 1024, 2),)
IMAGE, IMAGES = (normal(4, 16, 16, 16),), (normal(16, 32, 64, 64),)


def _stft(x: object) -> object:
    return F.stft(x, 64, 16, 64)


CALLS = [
    Call("fft", lambda x: F.fft(x, 1), COMPLEX, COMPLEXES),
    Call("ifft", lambda x: F.ifft(x, 1), COMPLEX, COMPLEXES),
    Call("stft", _stft, (normal(4, 4096),), (normal(16, 16384),)),
    Call(
        "istft",
        lambda r, i: F.istft(r, i, 64, 16, 64, pad_mode="constant"),
        (normal(4, 33, 257),) * 2,
        (normal(16, 33, 1025),) * 2,
    ),
    Call("interpolate", lambda x: F.interpolate(x, scale=(2, 2), mode="linear", half_pixel=True), IMAGE, IMAGES),
    Call("onnx_resize", lambda x: F.onnx_resize(x, scales=(1, 1, 2, 2), mode="linear"), IMAGE, IMAGES),
    Call("affine_grid", lambda t: F.affine_grid(t, (4 * t.shape[0],) * 2), (normal(8, 2, 3),), (normal(64, 2, 3),)),
    Call(
        "warp_by_grid",
        F.warp_by_grid,
        (*IMAGE, uniform(4, 16, 16, 2, low=-0.9, high=0.9)),
        (*IMAGES, uniform(16, 64, 64, 2, low=-0.9, high=0.9)),
    ),
    Call(
        "warp_by_flow",
        F.warp_by_flow,
        (*IMAGE, uniform(4, 2, 16, 16, low=-0.9, high=0.9)),
        (*IMAGES, uniform(16, 2, 64, 64, low=-0.9, high=0.9)),
    ),
]
