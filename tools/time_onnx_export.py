"""Time and memory of exporting ResNet-152 to ONNX on the command line, beside those of NNabla 1.39.

    python tools/time_onnx_export.py --original converter-env/bin/python [--rounds 3]

tests/reference/record_nnb.py says how to make the environment of the original. Both convert the same NNP file, by
turns, each time in a process of its own. Memory is the peak beyond that of converting a network of one layer.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

OURS = "import nnabla_cli; nnabla_cli.main()"
# What writes TensorFlow's formats is imported for every format, and nothing here needs it.
ORIGINAL = """
import sys, types
for name in ("tensorflow", "tflite"):
    sys.modules[f"nnabla.utils.converter.{name}"] = types.ModuleType(name)
from nnabla.utils.cli.cli import main
main()
"""


class Used(NamedTuple):
    """What a process needed.

    Attributes:
        wall: seconds.
        cpu: seconds of the processor.
        peak: of its memory, in bytes.
    """

    wall: float
    cpu: float
    peak: int


def resnet_152(path: Path) -> None:
    """Write it, with random weights, as an NNP file."""
    import nnabla as nn
    import nnabla.functions as F
    import nnabla.parametric_functions as PF
    from nnabla.utils.save import save

    def layer(x, maps, kernel, stride, name):
        pad = (kernel // 2,) * 2
        h = PF.convolution(x, maps, (kernel,) * 2, pad=pad, stride=(stride,) * 2, with_bias=False, name=name)
        return PF.batch_normalization(h, batch_stat=False, name=name)

    x = nn.Variable((1, 3, 224, 224))
    h = F.max_pooling(F.relu(layer(x, 64, 7, 2, "stem")), (3, 3), (2, 2), pad=(1, 1))
    for stage, count in enumerate((3, 8, 36, 3)):
        maps = 64 << stage
        for i in range(count):
            stride = 2 if i == 0 and stage else 1
            with nn.parameter_scope(f"s{stage}/b{i}"):
                g = F.relu(layer(h, maps, 1, 1, "a"))
                g = layer(F.relu(layer(g, maps, 3, stride, "b")), 4 * maps, 1, 1, "c")
                h = F.relu(F.add2(g, h if i else layer(h, 4 * maps, 1, stride, "shortcut")))
    write(path, x, F.softmax(PF.affine(F.global_average_pooling(h), 1000)), save)


def small(path: Path) -> None:
    """Write a network of one layer."""
    import nnabla as nn
    import nnabla.parametric_functions as PF
    from nnabla.utils.save import save

    nn.clear_parameters()
    x = nn.Variable((1, 3))
    write(path, x, PF.affine(x, 2), save)


def write(path, x, y, save):
    """Write a network with an executor."""
    content = {
        "networks": [{"name": "net", "batch_size": 1, "outputs": {"y": y}, "names": {"x": x}}],
        "executors": [{"name": "runtime", "network": "net", "data": ["x"], "output": ["y"]}],
    }
    save(str(path), content)


def models(folder: Path) -> None:
    """Write both networks."""
    sys.path[:0] = [str(ROOT / "src")]
    resnet_152(folder / "resnet.nnp")
    small(folder / "small.nnp")


def converted(python: str, start: str, source: Path, folder: Path) -> Used:
    """Convert a file to m.onnx."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src") if start is OURS else ""}
    command = [python, "-c", start, "convert", "-b", "1", str(source), str(folder / "m.onnx")]
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not (folder / "m.onnx").exists():
        sys.exit(f"{python} failed: {said.decode(errors='replace')[-2000:]}")
    return Used(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--original", help="the interpreter of an environment with NNabla 1.39 and its converter")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large, little = folder / "resnet.nnp", folder / "small.nnp"
        # In another process: the peak of a process counts what its parent held when it began.
        writer = multiprocessing.get_context("spawn").Process(target=models, args=(folder,))
        writer.start()
        writer.join()
        both = {"ours": (sys.executable, OURS)}
        if options.original:
            both["1.39"] = (options.original, ORIGINAL)
        base = {key: converted(*how, little, folder).peak for key, how in both.items()}
        found: dict[str, list[Used]] = {key: [] for key in both}
        for _ in range(options.rounds):
            for key, how in both.items():
                (folder / "m.onnx").unlink()
                found[key].append(converted(*how, large, folder))
        size = (folder / "m.onnx").stat().st_size
        print(f"{size / 1e6:.0f} MB")
        for key, runs in found.items():
            wall, cpu = (statistics.median(getattr(run, field) for run in runs) for field in ("wall", "cpu"))
            more = max(run.peak for run in runs) - base[key]
            print(f"{key}: {wall:.2f} s, {cpu:.2f} s of the processor, {more / size:.2f} times the model in memory")
        if options.original:
            ratios = [a.wall / b.wall for a, b in zip(found["ours"], found["1.39"], strict=True)]
            print("ours / 1.39:", ", ".join(f"{ratio:.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
