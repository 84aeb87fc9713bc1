"""The calls of the registered functions, with every argument that a model file stores.

`nnabla.functions` has the calls that users write; some of those differ (``axis`` and ``keepdims`` for ``axes`` and
``keep_dims``). Here each function is called as it is declared in `nnabla.operators`.

Example:
    >>> import nnabla as nn
    >>> from nnabla import function_bases
    >>> function_bases.sum(nn.Variable((2, 3)), axes=[1], keep_dims=True).shape
    (2, 1)
"""

from __future__ import annotations

from . import operators  # noqa: F401  (declares them all)
from .auto_forward import get_auto_forward as get_auto_forward
from .context import get_current_context as get_current_context
from .graph.call import function_api as function_api
from .graph.call import public_call
from .graph.operator import registry

calls = {cls.declaration.name: public_call(cls, "nnabla.function_bases") for cls in registry.values()}
globals().update(calls)
