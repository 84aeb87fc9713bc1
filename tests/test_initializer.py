"""First values of parameters. Values marked as recorded are those of NNabla 1.39."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import nnabla as nn
import nnabla.initializer as I
import nnabla.random
from nnabla.errors import ArgumentError

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


def rng(seed=0):
    return np.random.RandomState(seed)


RECORDED = [
    (
        I.NormalInitializer(0.5, rng()),
        [0.882026196, 0.200078607, 0.489369005, 1.12044656, 0.933779001, -0.488638937],
    ),
    (
        I.UniformInitializer((-0.25, 0.75), rng()),
        [0.298813492, 0.465189368, 0.352763385, 0.294883192, 0.173654795, 0.39589411],
    ),
    (I.UniformIntInitializer((-3, 9), rng()), [2, -3, 0, 8, 0, 4]),
    (I.RangeInitializer(0.5, 0.25), [0.5, 0.75, 1.0, 0.5, 0.75, 1.0]),
    (I.RangeInitializer(5, -2), [5, 3, 1, 5, 3, 1]),
    (I.ConstantInitializer(0.1), [0.100000001] * 6),
]


@pytest.mark.parametrize(("initializer", "expected"), RECORDED, ids=lambda x: type(x).__name__)
def test_values_equal_those_of_nnabla(initializer, expected):
    values = initializer((2, 3))
    assert values.shape == (2, 3)
    assert values.ravel().tolist() == np.array(expected, values.dtype).tolist()


@pytest.mark.parametrize(
    ("shape", "gain", "expected"),
    [
        ((2, 3), 2.0, [-1.65892112, -1.08986175, 0.245320648, -0.700723827, 0.67310977, -1.7481159]),
        ((3, 2), 1.0, [-0.611205161, 0.204737663, -0.67424345, -0.640590906, -0.414516598, 0.740085006]),
        ((2, 2, 1), 1.0, [-0.520290375, -0.853989422, -0.853989422, 0.520290375]),
    ],
)
def test_orthogonal_values_equal_those_of_nnabla(shape, gain, expected):
    # Another LAPACK may round otherwise.
    np.testing.assert_allclose(I.OrthogonalInitializer(gain, rng())(shape).ravel(), expected, atol=1e-6)


def test_default_generator_starts_with_seed_313():
    nnabla.random.set_parameter_seed(313)
    expected = np.array([0.185278878, -1.2367872, 0.326003492, 0.997555792, 0.087372914], np.float32)
    assert I.NormalInitializer()((5,)).tolist() == expected.tolist()


RANDOM = [I.NormalInitializer, I.UniformInitializer, I.UniformIntInitializer, I.OrthogonalInitializer]


@pytest.mark.parametrize("kind", RANDOM)
def test_generator_is_the_one_at_construction(kind):
    before = kind()
    assert before.rng is nnabla.random.prng
    nn.seed(412)
    after, given = kind(), kind(rng=rng())
    assert after.rng is nnabla.random.prng
    assert before.rng is not nnabla.random.prng
    assert after((4, 5)).tolist() == kind(rng=rng(412))((4, 5)).tolist() != given((4, 5)).tolist()


def test_values_after_seed_equal_those_of_nnabla():
    nn.seed(412)
    expected = np.array([0.88993454, 0.762485921, -0.934190154, 0.168254986, -0.649307191], np.float32)
    assert I.UniformInitializer()((5,)).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("initializer", "dtype"),
    [
        (I.ConstantInitializer(3), np.float32),
        (I.NormalInitializer(), np.float32),
        (I.UniformInitializer(), np.float32),
        (I.UniformIntInitializer(), np.int64),
        (I.RangeInitializer(), np.int64),
        (I.RangeInitializer(0, 0.5), np.float64),
        (I.OrthogonalInitializer(), np.float32),
    ],
)
@given(shape=SHAPES)
def test_shape_and_dtype(initializer, dtype, shape):
    values = initializer(shape)
    assert (values.shape, values.dtype) == (shape, dtype)
    values += 1  # belongs to the caller alone
    assert values.flags.c_contiguous


@pytest.mark.parametrize("initializer", [I.ConstantInitializer(), I.NormalInitializer(), I.UniformInitializer()])
def test_scalar_and_integer_shapes(initializer):
    assert initializer(()).shape == ()
    assert initializer(3).shape == (3,)
    assert initializer([2, 0]).shape == (2, 0)


def test_new_numpy_generators_are_accepted():
    generator = np.random.default_rng(0)
    normal = I.NormalInitializer(0.01, generator)((1000,))
    assert abs(normal).max() < 0.1
    integers = I.UniformIntInitializer((2, 5), generator)((1000,))
    assert set(integers.tolist()) == {2, 3, 4}
    assert integers.dtype == np.int64


@given(low=st.floats(-10, 10), width=st.floats(0, 10), seed=st.integers(0, 2**32 - 1))
def test_uniform_values_are_within_limits(low, width, seed):
    values = I.UniformInitializer((low, low + width), rng(seed))((50,))
    assert values.min() >= np.float32(low)
    assert values.max() <= np.float32(low + width)


@given(shape=SHAPES, gain=st.floats(0.1, 10), seed=st.integers(0, 1000))
def test_orthogonal_rows_or_columns_are_orthonormal(shape, gain, seed):
    matrix = I.OrthogonalInitializer(gain, rng(seed))(shape).reshape(shape[0], -1) / gain
    fewer = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    np.testing.assert_allclose(fewer @ fewer.T, np.eye(len(fewer)), atol=1e-5)


@pytest.mark.parametrize(
    ("dim", "expected"),
    [
        (0, [3.7416575, 11.2249718]),
        (1, [6.48074055, 9.89949512]),
        (2, [7.48331499, 9.1651516]),
        (-1, [7.48331499, 9.1651516]),
    ],
)
def test_weight_normalization_scale_is_the_norm_of_slices(dim, expected):
    weight = np.arange(8.0).reshape(2, 2, 2)
    scale = I.WeightNormalizationScaleInitializer(weight, dim)((2,))
    assert scale.dtype == np.float32
    np.testing.assert_allclose(scale, expected, rtol=1e-7)


@pytest.mark.parametrize("dim", [-3, 2, 7])
def test_weight_normalization_scale_of_all_of_the_weight(dim):
    """What NNabla 1.39 gave where there is no axis `dim`, with whatever shape."""
    weight = nn.Variable.from_numpy_array(np.arange(12, dtype=np.float32).reshape(4, 3))
    for shape in ((1,), (), (4, 1)):
        scale = I.WeightNormalizationScaleInitializer(weight, dim)(shape)
        assert (scale.shape, scale.dtype) == ((), np.float32)
        np.testing.assert_allclose(scale, 22.494443, rtol=1e-6)
    np.testing.assert_allclose(I.WeightNormalizationScaleInitializer(nn.Variable(()), 0)((1,)), 1e-6, rtol=1e-6)


def test_weight_normalization_scale_of_variables_and_ndarrays():
    variable = nn.Variable((3, 2))
    variable.d = [[3, 4], [0, 0], [5, 12]]
    for weight in variable, variable.data:
        scale = I.WeightNormalizationScaleInitializer(weight, eps=0.0)((3, 1))
        assert scale.tolist() == [[5.0], [0.0], [13.0]]


def test_weight_normalization_scale_reads_the_weight_when_called():
    weight = np.zeros((2, 3))
    initializer = I.WeightNormalizationScaleInitializer(weight, eps=4.0)
    weight[1] = 2.0
    assert initializer((2,)).tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("calculate", "plain", "with_kernel"),
    [
        (I.calc_normal_std_he_forward, 0.816496580927726, 0.23570226039551584),
        (I.calc_normal_std_he_backward, 0.6324555320336759, 0.18257418583505536),
        (I.calc_normal_std_glorot, 0.5, 0.14433756729740643),
        (I.calc_uniform_lim_glorot, (-0.8660254037844386, 0.8660254037844386), (-0.25, 0.25)),
    ],
)
def test_calculated_scales_equal_those_of_nnabla(calculate, plain, with_kernel):
    assert calculate(3, 5) == plain
    assert calculate(3, 5, kernel=(3, 4)) == with_kernel
    assert calculate(3, 5, 12) == with_kernel


@given(
    inmaps=st.integers(1, 500),
    outmaps=st.integers(1, 500),
    kernel=st.lists(st.integers(1, 7), max_size=3),
)
def test_both_of_glorots_distributions_have_one_variance(inmaps, outmaps, kernel):
    low, high = I.calc_uniform_lim_glorot(inmaps, outmaps, kernel)
    variance = (high - low) ** 2 / 12
    assert math.isclose(variance, I.calc_normal_std_glorot(inmaps, outmaps, kernel) ** 2)


@pytest.mark.parametrize(
    ("initializer", "expected"),
    [
        (I.NormalInitializer(0.3), "NormalInitializer(0.3)"),
        (I.UniformInitializer((-0.2, 0.7)), "UniformInitializer((-0.2, 0.7))"),
        (
            I.UniformInitializer(I.calc_uniform_lim_glorot(3, 5)),
            "UniformInitializer((-0.8660254037844386, 0.8660254037844386))",
        ),
        (I.UniformIntInitializer((0, 3)), "UniformIntInitializer((0, 3))"),
        (I.OrthogonalInitializer(2.0), "OrthogonalInitializer(2.0)"),
        (I.ConstantInitializer(3), "ConstantInitializer(3)"),
        (I.RangeInitializer(1, 2), "RangeInitializer(1, 2)"),
        (
            I.WeightNormalizationScaleInitializer(None),
            "WeightNormalizationScaleInitializer(None, 0, 1e-12)",
        ),
    ],
)
def test_repr(initializer, expected):
    assert repr(initializer) == expected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: I.UniformInitializer(1.0),
            r"UniformInitializer: lim must be a pair of numbers .*, not 1\.0",
        ),
        (lambda: I.UniformIntInitializer((1, 2, 3)), r"UniformIntInitializer: lim must be a pair"),
        (lambda: I.RangeInitializer()(()), r"RangeInitializer: shape must have one axis at least, not \(\)"),
        (lambda: I.OrthogonalInitializer()(()), r"OrthogonalInitializer: shape must have one axis at least"),
        (
            lambda: I.WeightNormalizationScaleInitializer(np.ones((2, 3)), dim=1)((2,)),
            r"has 3 scales along dim=1, which do not fit into shape \(2,\)",
        ),
        (lambda: I.calc_normal_std_he_forward(0, 3), r"he_forward: channels and kernel must be positive"),
        (lambda: I.calc_uniform_lim_glorot(3, 4, (0, 1)), r"calc_uniform_lim_glorot: .* not 7 and \(0, 1\)"),
    ],
)
def test_errors(wrong, message):
    with pytest.raises(ArgumentError, match=message):
        wrong()


def test_base_class_has_no_values():
    class Forgetful(I.BaseInitializer):
        pass

    with pytest.raises(NotImplementedError, match="Forgetful does not define __call__"):
        Forgetful()((2,))
