"""Losses on scores of many sizes, gradients asked for one at a time, and functions that end or stop gradients."""

from ..arrays import bits, distinct, explicit, integers, normal, probabilities, uniform
from ..case import Tolerance, case

SUMS = Tolerance(relative=1e-5, floor=2e-6, reason="exponentials of a row are added up in another order")

CASES = [
    # Fewer than 16 classes and many samples: another way through memory.
    case("softmax_cross_entropy", normal(64, 10, scale=3.0), integers(64, 1, high=10), tolerance=SUMS),
    case("softmax_cross_entropy", normal(70, 3, scale=3.0), integers(70, 1, high=3), tolerance=SUMS),
    case("softmax_cross_entropy", normal(100, 1), integers(100, 1, high=1), tolerance=SUMS),
    case("softmax_cross_entropy", normal(64, 16, scale=3.0), integers(64, 1, high=16), tolerance=SUMS),
    case("softmax_cross_entropy", normal(3, 100, scale=3.0), integers(3, 1, high=100), tolerance=SUMS),
    case(
        "softmax_cross_entropy",
        normal(100, 5),
        explicit([[-1 if i % 3 else 4] for i in range(100)], real=False),
        tolerance=SUMS,
    ),
    case("softmax_cross_entropy", normal(2, 3), explicit([[0.9], [-0.9]], real=False)),
    case("softmax_cross_entropy", normal(3), explicit([2], real=False)),
    case("categorical_cross_entropy", probabilities(70, 5), integers(70, 1, high=5)),
    case("categorical_cross_entropy", probabilities(2, 3), explicit([[1.9], [-0.9]], real=False)),
    case("sigmoid_cross_entropy", normal(100, 5, scale=5.0), bits(100, 5)),
    case("sigmoid_cross_entropy", normal(3), explicit([2.0, -1.0, 3.0], real=False)),
    case("binary_cross_entropy", uniform(40, 5, low=0.01, high=0.99), uniform(40, 5, low=0.0, high=1.0)),
    case(
        "binary_cross_entropy",
        explicit([-0.5, 0.5, 1.5]),
        explicit([0.2, 0.5, 0.7]),
        derivative="undefined",
    ),
    case("squared_error", normal(64, 33), normal(64, 33)),
    case("squared_error", normal(2, 1, 4), normal(1, 3, 4)),
    case("absolute_error", distinct(2, 1, 4), distinct(1, 3, 4, low=-3.1, high=3.0)),
    case("huber_loss", normal(2, 1, 4), normal(1, 3, 4)),
    case("huber_loss", distinct(5), explicit([0.0] * 5), args={"delta": 0.0}),
    case("huber_loss", explicit([1e10, -1e10, 1e-10]), explicit([0.0] * 3), args={"delta": 2.0}),
    case("epsilon_insensitive_loss", normal(2, 1, 4), normal(1, 3, 4), args={"epsilon": 0.1}),
    case("kl_multinomial", probabilities(40, 5), probabilities(40, 5)),
    case(
        "kl_multinomial",
        explicit([[0.0, 1.0], [1.0, 0.0]]),
        explicit([[0.5, 0.5], [0.5, 0.5]]),
        derivative="undefined",
    ),
    case("unlink", normal(2, 3), derivative="undefined"),
    case("unlink", normal(2, 3, 4), derivative="undefined"),
    case("unlink", normal(), derivative="undefined"),
    case("unlink", explicit([[1e30, -1e30]]), derivative="undefined"),
    case("unlink", distinct(5), derivative="undefined"),
    case("sink", normal(2, 3), derivative="undefined"),
    case("sink", normal(2, 3), normal(4), grad=(0, 1), derivative="undefined"),
    case("sink", normal(2, 3), normal(4), normal(), grad=(1,), derivative="undefined"),
    case("sink", normal(2), normal(2), args={"one_input_grad": False}, grad=(0, 1), derivative="undefined"),
    case("sink", normal(3), args={"one_input_grad": True}, grad=(0,), derivative="undefined"),
    case("vat_noise", normal(4, 3), normal(4, 3), grad=(0,), updates=(1,), derivative="undefined"),
    case("vat_noise", normal(4, 3, 2), normal(4, 3, 2), grad=(0,), updates=(1,), derivative="undefined"),
    case(
        "vat_noise",
        normal(4, 3, 2),
        normal(4, 3, 2),
        args={"base_axis": 2, "eps": 0.3},
        grad=(0,),
        updates=(1,),
        derivative="undefined",
    ),
    case(
        "vat_noise",
        normal(4, 3, 2),
        normal(4, 3, 2),
        args={"base_axis": -1},
        grad=(0,),
        updates=(1,),
        derivative="undefined",
    ),
    case(
        "vat_noise", explicit([[0.0, 0.0], [1e-4, 0.0]]), normal(2, 2), grad=(0,), updates=(1,), derivative="undefined"
    ),
    case("vat_noise", normal(4, 3), normal(3, 4), grad=(0,)),
]
