"""Reading data sets: a step takes a batch of 64 from an iterator, which reads in the order of the files.

The first process to run a case makes its data set; the others, of other libraries among them, read the same files.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from cases import DATA_BATCH, DATA_WORKERS, Program

from nnabla.utils import data_iterator as D
from nnabla.utils.create_cache import CreateCache


def program(name: str, folder: Path) -> Program:
    """The program of a case; with workers where this NNabla has them, and else with its thread."""
    logging.getLogger("nnabla").setLevel(logging.ERROR)
    kind, _, workers = name.removeprefix("data_").partition("_")
    data = folder / kind
    if not data.exists():
        make_data(kind, data)
    options: dict[str, object] = {"num_workers": DATA_WORKERS} if workers and hasattr(D, "Workers") else {}
    iterator = ITERATORS[kind](data, **options)
    last: list[tuple[np.ndarray, ...]] = []

    def step() -> None:
        last[:] = [iterator.next()]

    def compared() -> np.ndarray:
        return np.concatenate([np.ravel(array)[::97].astype(float) for array in last[0]])

    return Program(step, lambda: np.zeros(()), compared)


def _csv(data: Path, **options: object) -> D.DataIterator:
    caches = {"with_memory_cache": False, "with_file_cache": False}
    return D.data_iterator_csv_dataset(str(data / "table.csv"), DATA_BATCH, normalize=False, **caches, **options)


def _concatenated(data: Path, **options: object) -> D.DataIterator:
    sources = [D.CsvDataSource(str(data / "table.csv")) for _ in range(2)]
    return D.data_iterator_concat_datasets(sources, DATA_BATCH, with_memory_cache=False, **options)


def _simple(data: Path, **options: object) -> D.DataIterator:
    x, y = np.load(data / "x.npy"), np.load(data / "y.npy")
    return D.data_iterator_simple(lambda i: (x[i], y[i]), len(x), DATA_BATCH, **options)


def _cache(memory: bool) -> Callable[..., D.DataIterator]:
    return lambda data, **options: D.data_iterator_cache(
        str(data / "cache"), DATA_BATCH, normalize=False, with_memory_cache=memory, **options
    )


ITERATORS: dict[str, Callable[..., D.DataIterator]] = {
    "png32": _csv,
    "png224": _csv,
    "csv": _csv,
    "concat": _concatenated,
    "simple": _simple,
    "cache": _cache(False),
    "memory": _cache(True),
}


def make_data(kind: str, folder: Path) -> None:
    """A table of numbers, or of images, which look like some and not like noise."""
    folder.mkdir()
    rng = np.random.RandomState(0)
    if kind in ("csv", "concat"):
        x, y = rng.standard_normal((4096, 32)), rng.randint(0, 10, 4096)
        header = [*(f"x__{i}" for i in range(32)), "y"]
        rows = [[*(f"{value:.6f}" for value in row), str(label)] for row, label in zip(x, y)]  # noqa: B905
    else:
        size, count = (224, 640) if kind == "png224" else (32, 4096)
        y = rng.randint(0, 10, count)
        header, rows = ["x", "y"], [[f"{i}.png", str(label)] for i, label in enumerate(y)]
        if kind == "simple":
            np.save(folder / "x.npy", np.stack([image.transpose(2, 0, 1) for image in _images(rng, count, size)]))
            np.save(folder / "y.npy", y)
            return
        from PIL import Image

        for i, image in enumerate(_images(rng, count, size)):
            Image.fromarray(image).save(folder / f"{i}.png")
    text = "".join(",".join(row) + "\n" for row in [header, *rows])
    (folder / "table.csv").write_text(text, encoding="utf-8")
    if kind in ("cache", "memory"):
        (folder / "cache").mkdir()
        CreateCache(str(folder / "table.csv")).create(str(folder / "cache"), normalize=False)


def _images(rng: np.random.RandomState, count: int, size: int) -> Iterator[np.ndarray]:
    """Fields of colour with some noise."""
    field = size // 4
    for _ in range(count):
        colours = rng.randint(0, 240, (4, 4, 3)).repeat(field, axis=0).repeat(field, axis=1)
        yield (colours + rng.randint(0, 16, (size, size, 3))).astype(np.uint8)
