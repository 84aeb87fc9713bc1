"""Recorded observations on disk: one compressed ``.npz`` for each table.

An archive holds two arrays. ``values``: all recorded numbers, float32, end to end. ``index``: UTF-8 JSON,
which says for each case where its arrays lie. Two long arrays compress far better than thousands of short
ones, and load in one go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .case import Case
from .observe import Observation

FOLDER = Path(__file__).resolve().parent.parent / "reference" / "operators"
FIELDS = ("outputs", "updates", "grads", "accumulated")


@dataclass
class Record:
    """An observation, with the definition of the case that it belongs to and the dtypes of its outputs."""

    definition: str
    dtypes: list[str]
    observation: Observation


def record_of(case: Case, observation: Observation) -> Record:
    """The record of a fresh observation."""
    return Record(case.definition, [a.dtype.name for a in observation.outputs], observation)


def save(path: Path, records: Mapping[str, Record], source: str) -> None:
    """Writes the records of one table; `source` names the library and version that was observed."""
    values: list[np.ndarray] = []
    position = 0
    cases: dict[str, Any] = {}
    for key, record in records.items():
        seen = record.observation
        entry: dict[str, Any] = {"definition": record.definition, "dtypes": record.dtypes}
        entry |= {"refused": seen.refused, "graph": seen.graph}
        for name in FIELDS:
            places = []
            for array in getattr(seen, name):
                places.append([position, list(array.shape)])
                values.append(np.asarray(array, dtype=np.float32).ravel())
                position += array.size
            entry[name] = places
        cases[key] = entry
    index = json.dumps({"source": source, "cases": cases}, sort_keys=True).encode()
    flat = np.concatenate(values) if values else np.zeros(0, np.float32)
    temporary = path.with_suffix(".tmp.npz")
    np.savez_compressed(temporary, values=flat, index=np.frombuffer(index, np.uint8))
    temporary.replace(path)


def load(path: Path) -> dict[str, Record]:
    """The records of one table by case key."""
    with np.load(path, allow_pickle=False) as archive:
        flat = archive["values"]
        index = json.loads(archive["index"].tobytes().decode())
    records = {}
    for key, entry in index["cases"].items():
        graph = [(type_name, args) for type_name, args in entry["graph"]]
        seen = Observation(refused=entry["refused"], graph=graph)
        for name in FIELDS:
            arrays = [
                flat[at : at + int(np.prod(shape, dtype=int))].reshape(shape) for at, shape in entry[name]
            ]
            setattr(seen, name, arrays)
        records[key] = Record(entry["definition"], entry["dtypes"], seen)
    return records


RECORDS: dict[str, dict[str, Record]] = {path.stem: load(path) for path in sorted(FOLDER.glob("*.npz"))}


def record(case: Case) -> Record | None:
    """The record of a case, if it has one."""
    return RECORDS.get(case.category, {}).get(case.key)


def refused(case: Case) -> str:
    """The step at which the original refuses the case, as in `Observation.refused`."""
    entry = None if case.beyond else record(case)
    return entry.observation.refused if entry else ""
