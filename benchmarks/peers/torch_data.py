"""PyTorch's DataLoader on the data sets of `workloads.data`: the same files, the same decoding, no end of epochs."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from cases import DATA_BATCH, DATA_WORKERS, Program
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset


def program(name: str, folder: Path) -> Program:
    kind, _, workers = name.removeprefix("data_").partition("_")
    dataset = _dataset(kind, folder / kind)
    loader = DataLoader(dataset, DATA_BATCH, sampler=_Endless(len(dataset)), num_workers=DATA_WORKERS if workers else 0)
    batches = iter(loader)
    last: list[list[torch.Tensor]] = []

    def step() -> None:
        last[:] = [next(batches)]

    def compared() -> np.ndarray:
        return np.concatenate([np.ravel(value.numpy())[::97].astype(float) for value in last[0]])

    return Program(step, lambda: np.zeros(()), compared)


class _Endless(Sampler[int]):
    """One epoch after the other, so that no worker waits for the end of one."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __iter__(self) -> Iterator[int]:
        return itertools.cycle(range(self._size))

    def __len__(self) -> int:
        return 2**40


class _Images(Dataset):
    def __init__(self, folder: Path) -> None:
        with open(folder / "table.csv", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        self._samples = [(str(folder / name), float(label)) for name, label in rows]

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, float]:
        from PIL import Image

        path, label = self._samples[i]
        with Image.open(path) as image:
            return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy()), label


class _Arrays(Dataset):
    """Arrays in memory, or in a file that is mapped."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self._x, self._y = x, y

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(np.array(self._x[i])), torch.from_numpy(np.array(self._y[i]))


def _dataset(kind: str, folder: Path) -> Dataset:
    if kind.startswith("png"):
        return _Images(folder)
    if kind in ("csv", "concat"):
        table = np.loadtxt(folder / "table.csv", delimiter=",", skiprows=1)
        numbers = TensorDataset(torch.from_numpy(table[:, :-1].copy()), torch.from_numpy(table[:, -1:].copy()))
        return numbers if kind == "csv" else torch.utils.data.ConcatDataset([numbers, numbers])
    if kind == "simple":
        return _Arrays(np.load(folder / "x.npy"), np.load(folder / "y.npy"))
    x, y = _read_cache(folder)
    if kind == "memory":
        return TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    np.save(folder / "mapped.npy", x)
    return _Arrays(np.load(folder / "mapped.npy", mmap_mode="r"), y)


def _read_cache(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """All samples of a cache: in each file the array of x, then that of y."""
    pieces = []
    for path in sorted((folder / "cache").glob("*.npy")):
        with open(path, "rb") as file:
            pieces.append((np.load(file), np.load(file)))
    return np.concatenate([x for x, _ in pieces]), np.concatenate([y for _, y in pieces])
