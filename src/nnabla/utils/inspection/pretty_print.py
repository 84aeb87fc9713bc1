"""Door to `nnabla.inspection.pretty_print`."""

from ...inspection.pretty_print import PrettyPrinter, pprint

__all__ = ["PrettyPrinter", "pprint"]
