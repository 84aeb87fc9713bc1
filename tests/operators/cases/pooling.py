"""Pooling. The inputs of max pooling are distinct, so that no window has two maxima."""

from ..arrays import distinct, normal
from ..case import Case, case

CHANNEL_LAST = "the original has channel_last only on a GPU"

# Shape of the input and arguments; the same windows serve the three functions.
WINDOWS = [
    ((2, 2, 4, 6), {"kernel": (2, 2)}),
    ((2, 2, 5, 7), {"kernel": (2, 2)}),
    ((2, 2, 5, 7), {"kernel": (2, 2), "ignore_border": False}),
    ((2, 2, 5, 7), {"kernel": (3, 2), "stride": (1, 2)}),
    ((2, 2, 5, 7), {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}),
    ((2, 2, 6, 8), {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "ignore_border": False}),
    ((2, 2, 5, 6), {"kernel": (3, 3), "stride": (1, 1), "pad": (2, 2)}),
    ((2, 2, 6, 7), {"kernel": (2, 3), "stride": (3, 4), "ignore_border": False}),
    ((2, 2, 6, 7), {"kernel": (2, 2), "stride": (3, 3)}),
    ((2, 2, 3, 3), {"kernel": (1, 1)}),
    ((2, 16, 15, 14), {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}),
    ((2, 2, 3, 3), {"kernel": (3, 3)}),
    ((1, 1, 1, 1), {"kernel": (1, 1)}),
    ((6, 6), {"kernel": (2, 3)}),
    ((3, 5, 6), {"kernel": (2, 2), "stride": (2, 1)}),
    ((2, 2, 2, 4, 5), {"kernel": (2, 2), "ignore_border": False}),
    ((2, 5, 7, 2), {"kernel": (2, 2), "channel_last": True}),
    ((2, 5, 6, 3), {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "channel_last": True}),
    ((2, 2, 4, 5, 4), {"kernel": (2, 2, 2)}),
    ((1, 2, 4, 5, 5), {"kernel": (2, 3, 2), "stride": (2, 2, 1), "pad": (1, 0, 1), "ignore_border": False}),
    ((1, 4, 5, 4, 2), {"kernel": (2, 2, 2), "stride": (2, 2, 2), "pad": (0, 1, 1), "channel_last": True}),
    ((2, 2, 3, 3), {"kernel": (4, 4), "ignore_border": False}),
    ((2, 2, 4, 4), {"kernel": (2, 2), "stride": (2,)}),
    ((2, 2, 4, 4), {"kernel": (2, 2), "pad": (1, 1, 1)}),
    ((4, 4), {"kernel": (2, 2, 2)}),
]


def windows(function: str, array: object, **more: object) -> list[Case]:
    """A case of `function` for every window."""
    return [
        case(function, array(*shape), args=args | more, beyond=CHANNEL_LAST if "channel_last" in args else "")
        for shape, args in WINDOWS
    ]


CASES = [
    *windows("max_pooling", distinct),
    *windows("average_pooling", normal),
    *windows("average_pooling", normal, including_pad=False),
    *windows("sum_pooling", normal),
    case("global_average_pooling", normal(2, 3, 4, 5)),
    case("global_average_pooling", normal(1, 1, 1, 1)),
    case("global_average_pooling", normal(2, 3, 1, 4)),
    case("global_average_pooling", normal(3, 2, 7, 7)),
    case("global_average_pooling", normal(2, 3, 5)),
    # Of three spatial axes the original averages two, and divides by their size: no case.
    case("global_average_pooling", normal(2, 3)),
]
