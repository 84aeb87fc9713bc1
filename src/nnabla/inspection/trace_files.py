"""Traces: files that ``chrome://tracing`` and Perfetto show as a time line.

The format is the JSON object form of "Trace Event Format" (Google, 2016): complete events, ``"ph": "X"``, with times in
microseconds. Events of one thread lie within each other by their times: functions in parts of a step, these in steps.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..files.atomic import replacing
from .function_timing import Span
from .functions_seen import layer_of, parameter_names
from .operation_counts import backward_operations, forward_operations


def write_trace(path: str, spans: Iterable[Span]) -> None:
    """Write a trace.

    Args:
        path: of the file, which is replaced as a whole.
        spans: what is shown.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    names = parameter_names()
    events: list[dict[str, Any]] = [
        {"name": "process_name", "ph": "M", "pid": 0, "args": {"name": "nnabla"}},
        {"name": "thread_name", "ph": "M", "pid": 0, "tid": 0, "args": {"name": "steps"}},
    ]
    for span in spans:
        event: dict[str, Any] = {"name": span.label, "cat": "step", "ph": "X", "pid": 0, "tid": 0}
        event |= {"ts": round(span.start * 1e6, 3), "dur": round(span.seconds * 1e6, 3)}
        function = span.function
        if function is not None:
            operations = (backward_operations if span.label == "backward" else forward_operations)(function)
            event |= {"name": function.info.type_name, "cat": span.label}
            event["args"] = {
                "layer": layer_of(function, names),
                "inputs": [list(v.shape) for v in function.inputs],
                "outputs": [list(v.shape) for v in function.outputs],
                "arguments": {name: _plain(value) for name, value in function.info.args.items()},
                "FLOP": operations,
            }
        events.append(event)
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump({"traceEvents": events, "displayTimeUnit": "ms"}, file)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, str, list, type(None))) else str(value)
