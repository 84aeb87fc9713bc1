"""Batch normalization: with the statistics of the batch or of the past, along every axis."""

from ..arrays import normal, positive
from ..case import Case, case


def batch_normalization(
    x: tuple,
    parameters: tuple,
    grad: tuple = (0, 1, 2),
    affine: str = "both",
    **args: object,
) -> Case:
    """A batch normalization whose four parameters have the shape `parameters`.

    `affine` says which of beta and gamma there are: ``"both"``, ``"beta"``, ``"gamma"``, ``"none"``.
    """
    beta = normal(*parameters) if affine in ("both", "beta") else None
    gamma = positive(*parameters) if affine in ("both", "gamma") else None
    inputs = (normal(*x, mean=0.3), beta, gamma, normal(*parameters), positive(*parameters))
    grad = tuple(i for i in grad if inputs[i] is not None)
    updates = (3, 4) if args.get("batch_stat", True) else ()
    return case("batch_normalization", *inputs, args=args, grad=grad, updates=updates)


CASES = [
    batch_normalization((4, 3), (1, 3)),
    batch_normalization((4, 3, 2), (1, 3, 1)),
    batch_normalization((4, 3, 2, 3), (1, 3, 1, 1)),
    batch_normalization((4, 3, 2), (1, 3, 1), decay_rate=0.5, eps=1e-2),
    batch_normalization((4, 3, 2), (1, 3, 1), decay_rate=1.0),
    batch_normalization((4, 3, 2), (1, 1, 2), axes=[2]),
    batch_normalization((4, 3, 2), (1, 1, 2), axes=[-1]),
    batch_normalization((4, 3, 2), (4, 1, 1), axes=[0]),
    batch_normalization((4, 3, 2), (1, 3, 2), axes=[1, 2]),
    batch_normalization((4, 2, 3, 2), (1, 2, 1, 2), axes=[1, 3]),
    batch_normalization((4, 3, 2), (1, 3, 1), output_stat=True),
    batch_normalization((4, 3, 2), (1, 3, 1), batch_stat=False),
    batch_normalization((4, 3, 2), (1, 3, 1), batch_stat=False, eps=1e-2),
    batch_normalization((4, 3, 2), (1, 1, 2), axes=[2], batch_stat=False),
    batch_normalization((4, 3, 2), (1, 3, 2), axes=[1, 2], batch_stat=False),
    batch_normalization((4, 3, 2), (1, 3, 1), batch_stat=False, output_stat=True),
    batch_normalization((4, 3, 2), (1, 3, 1), grad=(0,)),
    batch_normalization((4, 3, 2), (1, 3, 1), grad=(1,)),
    batch_normalization((4, 3, 2), (1, 3, 1), grad=(2,)),
    batch_normalization((4, 3, 2), (1, 3, 1), grad=(0,), batch_stat=False),
    batch_normalization((4, 3, 2), (1, 3, 1), affine="beta"),
    batch_normalization((4, 3, 2), (1, 3, 1), affine="gamma"),
    batch_normalization((4, 3, 2), (1, 3, 1), affine="none"),
    batch_normalization((4, 3, 2), (1, 3, 1), affine="none", batch_stat=False),
    batch_normalization((8, 1), (1, 1)),
    batch_normalization((2, 4, 64, 64), (1, 4, 1, 1), decay_rate=0.1),
    batch_normalization((6, 8, 9, 9), (1, 8, 1, 1)),
    # With a small eps, the gradient of x would be what rounding leaves of zero.
    batch_normalization((2, 3), (1, 3), eps=0.1),
    batch_normalization((4, 3, 2), (1, 2, 1)),
    batch_normalization((4, 3, 2), (3,)),
    batch_normalization((4, 3, 2), (1, 3, 1), axes=[3]),
]
