"""Recorded observations on disk: one compressed ``.npz`` for each table.

An archive holds two arrays. ``values``: all recorded numbers, float32, end to end. ``index``: UTF-8 JSON, which says
for each case, by its definition, where its arrays lie. Two long arrays compress far better than thousands of short
ones, and load in one go. Of accumulated gradients the archive holds in which bits they differ from the gradients plus
what was there before, which is hardly any.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .case import Case
from .observe import Observation, noise

FOLDER = Path(__file__).resolve().parent.parent / "reference" / "operators"
FIELDS = ("outputs", "updates", "grads", "accumulated")


@dataclass
class Record:
    """An observation, with the dtypes of its outputs, as it stands in an archive."""

    dtypes: list[str]
    observation: Observation


def record_of(case: Case, observation: Observation) -> Record:
    """The record of a fresh observation."""
    dtypes = [a.dtype.name for a in observation.outputs]
    return Record(dtypes, _with_noise_exchanged(case, observation))


def _with_noise_exchanged(case: Case, seen: Observation) -> Observation:
    """Accumulated gradients as the bits that differ from gradients plus noise, or these bits as gradients."""
    return dataclasses.replace(seen, accumulated=_differing_bits(seen.accumulated, seen.grads, noise(case)))


def _differing_bits(
    arrays: Sequence[np.ndarray], grads: Sequence[np.ndarray], before: Sequence[np.ndarray]
) -> list[np.ndarray]:
    found = []
    for array, grad, start in zip(arrays, grads, before, strict=False):
        sums = np.asarray(np.asarray(grad, np.float32) + start, np.float32)
        bits = np.ascontiguousarray(array, np.float32).view(np.int32) ^ np.ascontiguousarray(sums).view(np.int32)
        found.append(bits.view(np.float32).reshape(array.shape))
    return found


def save(path: Path, records: Mapping[str, Record], source: str) -> None:
    """Writes the records of one table; `source` names the library and version that was observed."""
    values: list[np.ndarray] = []
    position = 0
    cases: dict[str, Any] = {}
    for definition, record in records.items():
        seen = record.observation
        entry: dict[str, Any] = {"dtypes": record.dtypes, "refused": seen.refused, "graph": seen.graph}
        for name in FIELDS:
            places = []
            for array in getattr(seen, name):
                places.append([position, list(array.shape)])
                values.append(np.asarray(array, dtype=np.float32).ravel())
                position += array.size
            entry[name] = places
        cases[definition] = entry
    index = json.dumps({"source": source, "cases": cases}).encode()
    flat = np.concatenate(values) if values else np.zeros(0, np.float32)
    temporary = path.with_suffix(".tmp.npz")
    np.savez_compressed(temporary, values=flat, index=np.frombuffer(index, np.uint8))
    temporary.replace(path)


def load(path: Path) -> dict[str, Record]:
    """The records of one table by definition of the case, in the order that they were recorded in."""
    with np.load(path, allow_pickle=False) as archive:
        flat = archive["values"]
        index = json.loads(archive["index"].tobytes().decode())
    records = {}
    for definition, entry in index["cases"].items():
        graph = [(type_name, args) for type_name, args in entry["graph"]]
        seen = Observation(refused=entry["refused"], graph=graph)
        for name in FIELDS:
            arrays = [flat[at : at + int(np.prod(shape, dtype=int))].reshape(shape) for at, shape in entry[name]]
            setattr(seen, name, arrays)
        records[definition] = Record(entry["dtypes"], seen)
    return records


RECORDS: dict[str, dict[str, Record]] = {path.stem: load(path) for path in sorted(FOLDER.glob("*.npz"))}


def record(case: Case) -> Record | None:
    """The record of a case, if it has one."""
    stored = RECORDS.get(case.category, {}).get(case.definition)
    return stored and Record(stored.dtypes, _with_noise_exchanged(case, stored.observation))


def refused(case: Case) -> str:
    """The step at which the original refuses the case, as in `Observation.refused`."""
    entry = None if case.beyond else record(case)
    return entry.observation.refused if entry else ""
