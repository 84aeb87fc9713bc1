"""Normalizations by statistics of layers, instances, groups and weights; norms; clipped gradients."""

from ..arrays import distinct, explicit, normal, positive, uniform
from ..case import Case, Tolerance, case

ROUNDING = Tolerance(
    relative=1e-5, floor=5e-6, reason="the gradient of x is a difference of sums of its own size, in float32"
)


def normalization(
    function: str, x: tuple, parameters: tuple, affine: str = "both", grad: tuple = (0, 1, 2), **args: object
) -> Case:
    """A normalization whose scale and shift have the shape `parameters`.

    `affine` says which of beta and gamma there are: ``"both"``, ``"beta"``, ``"gamma"``, ``"none"``.
    """
    beta = normal(*parameters) if affine in ("both", "beta") else None
    gamma = positive(*parameters) if affine in ("both", "gamma") else None
    inputs = (normal(*x, mean=0.3), beta, gamma)
    grad = tuple(i for i in grad if inputs[i] is not None)
    return case(function, *inputs, args=args, grad=grad, tolerance=ROUNDING)


def tensor_normalization(x: tuple, parameters: tuple | None, axes: object, **args: object) -> Case:
    """A tensor normalization; its axes come before scale and shift, so those go by name, and not as inputs."""
    return case("tensor_normalization", normal(*x, mean=0.3), args={"axes": axes, **args}, tolerance=ROUNDING)


def fused(x: tuple, parameters: tuple, z: bool = True, affine: bool = True, **args: object) -> Case:
    """A fused batch normalization. What is added keeps the sum away from the kink of the ReLU."""
    inputs = [
        distinct(*x),
        normal(*parameters, scale=0.1) if affine else None,
        positive(*parameters) if affine else None,
        normal(*parameters),
        positive(*parameters),
    ]
    inputs += [distinct(*x, low=-4.0, high=4.0)] if z else []
    grad = tuple(i for i in (0, 1, 2, 5) if i < len(inputs) and inputs[i] is not None)
    updates = (3, 4) if args.get("batch_stat", True) else ()
    return case("fused_batch_normalization", *inputs, args=args, grad=grad, updates=updates, tolerance=ROUNDING)


def spectral(w: tuple, u: tuple, updates: tuple = (1,), **args: object) -> Case:
    """A spectral normalization. Its gradient takes the singular vectors for constants, so it is not exact."""
    inputs = normal(*w), normal(*u)
    return case("spectral_norm", *inputs, args=args, grad=(0,), updates=updates, derivative="surrogate")


CASES = [
    normalization("layer_normalization", (4, 3), (1, 3)),
    normalization("layer_normalization", (4, 3, 2, 5), (1, 3, 2, 5)),
    normalization("layer_normalization", (4, 3, 2), (1, 3, 2), eps=0.1),
    normalization("layer_normalization", (4, 3, 2), (4, 3, 1), batch_axis=2),
    normalization("layer_normalization", (4, 3, 2), (4, 3, 1), batch_axis=-1),
    normalization("layer_normalization", (4, 3, 5), (1, 1, 5), batch_axis=[0, 1]),
    normalization("layer_normalization", (4, 3, 5), (1, 3, 1), batch_axis=[0, 2]),
    normalization("layer_normalization", (4, 3, 2), (4, 3, 2), batch_axis=[]),
    normalization("layer_normalization", (4, 3, 2), (1, 3, 2), affine="beta"),
    normalization("layer_normalization", (4, 3, 2), (1, 3, 2), affine="gamma"),
    normalization("layer_normalization", (4, 3, 2), (1, 3, 2), affine="none"),
    normalization("layer_normalization", (4, 3, 2), (1, 3, 2), grad=(0,)),
    normalization("layer_normalization", (4, 3, 2), (1, 3, 2), grad=(1,)),
    normalization("layer_normalization", (4, 3, 2), (1, 3, 2), grad=(2,)),
    normalization("layer_normalization", (4, 3, 2), (1, 3, 2), output_stat=True),
    normalization("layer_normalization", (4, 3, 5), (1, 3, 1), batch_axis=[0, 2], output_stat=True),
    normalization("layer_normalization", (4, 3, 2), (1, 3, 1)),
    normalization("layer_normalization", (4, 3, 2), (4, 3, 2)),
    normalization("layer_normalization", (4, 3, 2), (3, 2)),
    normalization("layer_normalization", (4, 3, 2), (1, 3, 2), batch_axis=3),
    normalization("instance_normalization", (4, 3, 5), (1, 3, 1)),
    normalization("instance_normalization", (2, 3, 4, 5), (1, 3, 1, 1)),
    normalization("instance_normalization", (2, 3, 4, 5), (1, 3, 1, 1), eps=0.1),
    normalization("instance_normalization", (2, 3, 4, 5), (2, 3, 1, 1)),
    normalization("instance_normalization", (2, 3, 4, 5), (1, 1, 1, 5), channel_axis=3),
    normalization("instance_normalization", (2, 3, 4, 5), (1, 1, 1, 5), channel_axis=-1),
    normalization(
        "instance_normalization", (2, 3, 4, 5), (1, 1, 1, 5), affine="none", channel_axis=3, batch_axis=[0, 1]
    ),
    normalization("instance_normalization", (2, 3, 4, 5), (1, 3, 1, 1), affine="beta"),
    normalization("instance_normalization", (2, 3, 4, 5), (1, 3, 1, 1), affine="gamma"),
    normalization("instance_normalization", (2, 3, 4, 5), (1, 3, 1, 1), affine="none"),
    normalization("instance_normalization", (2, 3, 4, 5), (1, 3, 1, 1), grad=(0,)),
    normalization("instance_normalization", (2, 3, 4, 5), (1, 3, 1, 1), grad=(1,)),
    normalization("instance_normalization", (2, 3, 4, 5), (1, 3, 1, 1), grad=(2,)),
    normalization("instance_normalization", (2, 3, 4, 5), (1, 3, 1, 1), output_stat=True),
    normalization("instance_normalization", (2, 3, 4), (1, 3, 4)),
    normalization("instance_normalization", (2, 3, 4), (1, 1, 1)),
    normalization("instance_normalization", (2, 3, 4), (1, 3, 1), channel_axis=0),
    normalization("instance_normalization", (2, 3, 4), (1, 3, 1), channel_axis=3),
    normalization("group_normalization", (4, 6), (1, 6), num_groups=2),
    normalization("group_normalization", (2, 6, 4, 5), (1, 6, 1, 1), num_groups=3),
    normalization("group_normalization", (2, 6, 4, 5), (1, 6, 1, 1), num_groups=1, eps=0.1),
    normalization("group_normalization", (2, 6, 4), (1, 6, 1), num_groups=6),
    normalization("group_normalization", (2, 3, 4, 6), (1, 1, 1, 6), num_groups=2, channel_axis=3),
    normalization("group_normalization", (2, 3, 4, 6), (1, 1, 1, 6), num_groups=2, channel_axis=-1),
    normalization("group_normalization", (2, 3, 4, 2), (1, 1, 4, 1), num_groups=2, channel_axis=2, batch_axis=[0, 1]),
    normalization("group_normalization", (2, 6, 4), (1, 6, 1), affine="beta", num_groups=2),
    normalization("group_normalization", (2, 6, 4), (1, 6, 1), affine="gamma", num_groups=2),
    normalization("group_normalization", (2, 6, 4), (1, 6, 1), affine="none", num_groups=2),
    normalization("group_normalization", (2, 6, 4), (1, 6, 1), grad=(0,), num_groups=2),
    normalization("group_normalization", (2, 6, 4), (1, 6, 1), grad=(1,), num_groups=2),
    normalization("group_normalization", (2, 6, 4), (1, 6, 1), grad=(2,), num_groups=2),
    normalization("group_normalization", (2, 6, 4), (1, 6, 1), num_groups=2, output_stat=True),
    normalization("group_normalization", (2, 6, 4), (2, 6, 1), num_groups=2),
    normalization("group_normalization", (2, 6, 4), (1, 6, 4), num_groups=2),
    tensor_normalization((4, 3, 2), (1, 3, 1), 1),
    tensor_normalization((4, 3, 2), (1, 1, 2), [-1]),
    tensor_normalization((4, 3, 2), (4, 1, 1), [0], eps=0.1),
    tensor_normalization((4, 3, 2), (1, 3, 2), [1, 2]),
    tensor_normalization((4, 3, 2, 5), (1, 3, 1, 5), [1, 3]),
    tensor_normalization((4, 3, 2), (1, 1, 1), []),
    tensor_normalization((4, 3, 2), (1, 3, 1), [1], output_stat=True),
    tensor_normalization((4, 3, 2), (1, 3, 2), [1, 2], output_stat=True),
    tensor_normalization((4, 3, 2), (1, 3, 1), [3]),
    case("weight_standardization", normal(4, 3), tolerance=ROUNDING),
    case("weight_standardization", normal(4, 3, 2, 2), tolerance=ROUNDING),
    case("weight_standardization", normal(4, 3, 2, 2), args={"channel_axis": 1}, tolerance=ROUNDING),
    case("weight_standardization", normal(4, 3, 2), args={"channel_axis": -1}, tolerance=ROUNDING),
    case("weight_standardization", normal(4, 3, 2), args={"eps": 0.1}, tolerance=ROUNDING),
    case("weight_standardization", normal(4, 3, 2), args={"output_stat": True}, tolerance=ROUNDING),
    case(
        "weight_standardization",
        normal(4, 3, 2),
        args={"channel_axis": 2, "output_stat": True},
        tolerance=ROUNDING,
    ),
    case("weight_standardization", normal(4, 3, 2), args={"channel_axis": 3}, tolerance=ROUNDING),
    case("weight_normalization", normal(4, 3), positive(4)),
    case("weight_normalization", normal(4, 3, 2, 2), normal(4)),
    case("weight_normalization", normal(4, 3, 2), normal(3), args={"dim": 1}),
    case("weight_normalization", normal(4, 3, 2), normal(2), args={"dim": -1}),
    case("weight_normalization", normal(4, 3, 2), normal(4), args={"eps": 0.5}),
    case("weight_normalization", normal(4, 3), normal(4), grad=(0,)),
    case("weight_normalization", normal(4, 3), normal(4), grad=(1,)),
    case("weight_normalization", normal(4, 3), normal(3)),
    case("weight_normalization", normal(4, 3), normal(4, 1)),
    case("weight_normalization", normal(4, 3), normal(4), args={"dim": 2}),
    spectral((3, 4), (3,)),
    spectral((3, 4), (3,), itr=3),
    spectral((3, 4), (3,), eps=0.5),
    spectral((2, 3, 4), (3,), dim=1),
    spectral((2, 3, 2, 2), (2,), dim=3),
    spectral((2, 3, 4), (2, 1)),
    case(
        "spectral_norm",
        normal(3, 4),
        normal(3),
        args={"test": True},
        grad=(),
        updates=(1,),
    ),
    case("spectral_norm", normal(3, 4), normal(4), grad=(0,)),
    case("spectral_norm", normal(3, 4), normal(4), args={"dim": -1}, grad=(0,)),
    case("spectral_norm", normal(3, 4), normal(3), args={"itr": 0}, grad=(0,)),
    case("norm_normalization", normal(4, 3)),
    case("norm_normalization", normal(4, 3), args={"axes": [1]}),
    case("norm_normalization", normal(4, 3), args={"axes": 0}),
    case("norm_normalization", normal(4, 3, 2), args={"axes": [0, 2]}),
    case("norm_normalization", normal(4, 3, 2), args={"axes": [-1]}),
    case("norm_normalization", normal(4, 3), args={"p": 1.0, "axes": [1]}),
    case("norm_normalization", normal(4, 3), args={"p": 3.0, "axes": [1]}),
    case("norm_normalization", normal(4, 3), args={"p": 2.5, "axes": [1], "eps": 0.5}),
    case("norm_normalization", explicit([[1.0, 0.0, -2.0]]), args={"p": 1.0}, derivative="undefined"),
    case("norm_normalization", normal(4, 3), args={"p": 0.5}),
    case("norm_normalization", normal(4, 3), args={"axes": [2]}),
    case(
        "mean_subtraction",
        normal(4, 3),
        normal(3),
        explicit([0.0], real=False),
        grad=(0,),
        updates=(1, 2),
        derivative="surrogate",
    ),
    case(
        "mean_subtraction",
        normal(4, 3, 2),
        normal(3, 2),
        explicit([5.0], real=False),
        grad=(0,),
        updates=(1, 2),
        derivative="surrogate",
    ),
    case(
        "mean_subtraction",
        normal(4, 3, 2),
        normal(2),
        explicit(2.0, real=False),
        args={"base_axis": 2},
        grad=(0,),
        updates=(1, 2),
        derivative="surrogate",
    ),
    case(
        "mean_subtraction",
        normal(4, 3, 2),
        normal(3, 2),
        explicit([2.0], real=False),
        args={"base_axis": -2},
        grad=(0,),
        updates=(1, 2),
        derivative="surrogate",
    ),
    case(
        "mean_subtraction",
        normal(4, 3),
        normal(3),
        explicit([2.0], real=False),
        args={"update_running_mean": False},
        grad=(0,),
        updates=(1, 2),
    ),
    case("mean_subtraction", normal(4, 3), normal(1, 3), explicit([0.0], real=False), grad=(0,)),
    case("mean_subtraction", normal(4, 3), normal(3), explicit([0.0, 0.0], real=False), grad=(0,)),
    case(
        "mean_subtraction",
        normal(4, 3),
        normal(3),
        explicit([0.0], real=False),
        args={"base_axis": 2},
        grad=(0,),
    ),
    case("clip_by_value", normal(4, 3).avoiding(-0.5, 0.5), args={"min": -0.5, "max": 0.5}),
    case("clip_by_norm", normal(4, 3), args={"clip_norm": 1.0}),
    case("clip_by_norm", normal(4, 3), args={"clip_norm": 100.0}),
    case("clip_by_norm", normal(4, 3), args={"clip_norm": 1.5, "axis": 1}),
    case("clip_by_norm", normal(4, 3, 2), args={"clip_norm": 2.0, "axis": (0, 2)}),
    case("clip_by_norm", normal(4, 3), explicit([[1.0]])),
    case("clip_by_norm", normal(4, 3), args={"clip_norm": 0.0}),
    case("clip_by_norm", normal(4, 3), args={"clip_norm": -1.0}),
    case(
        "clip_grad_by_value",
        normal(4, 3),
        uniform(4, 3, low=-0.6, high=-0.2),
        uniform(4, 3, low=0.2, high=0.6),
        grad=(0,),
        derivative="surrogate",
    ),
    case(
        "clip_grad_by_value",
        normal(4, 3),
        uniform(4, 3, low=-0.6, high=-0.2),
        uniform(4, 3, low=0.2, high=0.6),
        grad=(0, 1, 2),
        derivative="undefined",
    ),
    case(
        "clip_grad_by_value",
        normal(2, 3, 2),
        uniform(2, 3, 2, low=-0.6, high=-0.2),
        uniform(2, 3, 2, low=0.2, high=0.6),
        derivative="surrogate",
        grad=(0,),
    ),
    case(
        "clip_grad_by_value",
        normal(5),
        explicit([-0.1] * 5),
        explicit([0.0, 0.1, 0.2, 10.0, 10.0]),
        grad=(0,),
        derivative="surrogate",
    ),
    case(
        "clip_grad_by_value",
        normal(2, 3),
        uniform(2, 3, low=-20.0, high=-10.0),
        uniform(2, 3, low=10.0, high=20.0),
        grad=(0,),
    ),
    case("clip_grad_by_norm", normal(4, 3), derivative="surrogate"),
    case("clip_grad_by_norm", normal(4, 3), args={"clip_norm": 2.0}, derivative="surrogate"),
    case("clip_grad_by_norm", normal(4, 3), args={"clip_norm": 2.0, "axes": [1]}, derivative="surrogate"),
    case("clip_grad_by_norm", normal(4, 3, 2), args={"axes": [0, 2]}, derivative="surrogate"),
    case("clip_grad_by_norm", normal(3), args={"clip_norm": 0.1}, derivative="surrogate"),
    fused((4, 3), (1, 3)),
    fused((4, 3, 2), (1, 3, 1)),
    fused((4, 3, 2), (1, 3, 1), z=False),
    fused((4, 3, 2), (1, 1, 2), axes=[2], decay_rate=0.5, eps=0.01),
    fused((4, 3, 2), (1, 3, 1), batch_stat=False),
    fused((4, 3, 2), (1, 3, 1), z=False, batch_stat=False),
    fused((4, 3, 2), (1, 3, 1), affine=False),
    fused((4, 3, 2), (1, 3, 1), output_stat=True),
    fused((4, 3, 2), (1, 3, 1), nonlinearity="tanh"),
    fused((4, 3, 2), (1, 2, 1)),
]
