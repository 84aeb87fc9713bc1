"""F: the public calls, one plain function for each operator.

Their signatures, defaults and documentation come from the declarations in `nnabla.operators`; look there, by
category, for what a function computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import operators  # noqa: F401  (declares them all)
from .context import get_current_context  # noqa: F401  (found here by scripts)
from .graph.call import function_api as function_api
from .graph.call import public_call, public_calls
from .graph.modes import get_auto_forward  # noqa: F401  (found here by scripts)
from .graph.operator import registry
from .graph.refusal import explained as _explained
from .operators.batch_normalization import BatchNormalizationInOutAdapter as BatchNormalizationInOutAdapter


def _all_calls() -> dict[str, Callable[..., Any]]:
    calls = {cls.declaration.name: public_call(cls) for cls in registry.values()}
    return calls | {name: _explained(function) for name, function in public_calls.items()}


globals().update(_all_calls())
