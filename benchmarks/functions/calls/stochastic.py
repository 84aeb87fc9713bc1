"""Random numbers and random changes; results are drawn, so only their shapes are compared."""

from __future__ import annotations

import nnabla.functions as F
from functions.call import Call, normal, sizes, uniform

IMAGE, IMAGES = (normal(8, 3, 28, 28),), (normal(32, 3, 128, 128),)


def _drawn(name: str, function: object, small: tuple = (), large: tuple = ()) -> Call:
    return Call(name, function, small, large, random=True)


CALLS = [
    _drawn("rand", lambda shape: F.rand(shape=shape)),
    _drawn("randint", lambda shape: F.randint(0, 9, shape=shape)),
    _drawn("randn", lambda shape: F.randn(shape=shape)),
    _drawn("rand_binomial", lambda shape: F.rand_binomial(4, 0.5, shape=shape)),
    _drawn("rand_beta", lambda shape: F.rand_beta(2.0, 3.0, shape=shape)),
    _drawn("rand_gamma", lambda shape: F.rand_gamma(2.0, 1.0, shape=shape)),
    _drawn("dropout", F.dropout, *sizes(normal)),
    _drawn(
        "random_choice",
        lambda x, w: F.random_choice(x, w, (16,)),
        (normal(64, 256), uniform(64, 256)),
        (normal(256, 4096), uniform(256, 4096)),
    ),
    _drawn("random_crop", lambda x: F.random_crop(x, (*x.shape[1:-2], 12, 12)), IMAGE, IMAGES),
    _drawn("random_flip", F.random_flip, IMAGE, IMAGES),
    _drawn("random_shift", lambda x: F.random_shift(x, (0, 2, 2)), IMAGE, IMAGES),
    _drawn("random_erase", F.random_erase, IMAGE, IMAGES),
    _drawn(
        "image_augmentation",
        lambda x: F.image_augmentation(x, angle=0.3, flip_lr=True, brightness=0.1, contrast=1.2),
        (normal(8, 3, 28, 28, grad=False),),
        (normal(32, 3, 128, 128, grad=False),),
    ),
    Call("vat_noise", F.vat_noise, (normal(64, 256, grad=False),) * 2, (normal(4096, 1024, grad=False),) * 2),
]
