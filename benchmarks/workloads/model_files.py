"""Model files of ResNet-152 (He et al. 2015, arXiv:1512.03385, table 1), which has 60 million parameters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.utils.nnp_graph import NnpLoader
from nnabla.utils.save import save
from workloads.resnet18 import conv_bn


def bottleneck(x: nn.Variable, channels: int, stride: int) -> nn.Variable:
    h = F.relu(conv_bn(x, channels, 1, 1, True, "conv1"))
    h = F.relu(conv_bn(h, channels, 3, stride, True, "conv2"))
    h = conv_bn(h, 4 * channels, 1, 1, True, "conv3")
    if x.shape != h.shape:
        x = conv_bn(x, 4 * channels, 1, stride, True, "shortcut")
    return F.relu(h + x)


def resnet152(x: nn.Variable) -> nn.Variable:
    """(B, 3, 224, 224) to (B, 1000)."""
    h = F.relu(conv_bn(x, 64, 7, 2, True, "stem"))
    h = F.max_pooling(h, (3, 3), stride=(2, 2), pad=(1, 1))
    for i, (channels, blocks) in enumerate(((64, 3), (128, 8), (256, 36), (512, 3))):
        for j in range(blocks):
            with nn.parameter_scope(f"stage{i}/block{j}"):
                h = bottleneck(h, channels, 2 if i > 0 and j == 0 else 1)
    return PF.affine(F.global_average_pooling(h), 1000, name="fc")


def write(path: str) -> None:
    """Write an archive of the network."""
    nn.logger.setLevel("WARNING")
    save(path, contents())


def contents() -> dict:
    x = nn.Variable((1, 3, 224, 224))
    return {
        "networks": [{"name": "net", "batch_size": 1, "outputs": {"y": resnet152(x)}, "names": {"x": x}}],
        "executors": [{"name": "run", "network": "net", "data": ["x"], "output": ["y"]}],
    }


def saving() -> Program:
    """The file is written anew in every step."""
    nn.logger.setLevel("WARNING")
    folder, found = TemporaryDirectory(), contents()

    def step() -> None:
        save(str(Path(folder.name) / "m.nnp"), found)

    return Program(step, _nothing)


def loading() -> Program:
    """The network is read and its graph built in every step, by the loader for inference.

    Another process writes the file, so that no memory of its parameters is kept here for new ones.
    """
    nn.logger.setLevel("WARNING")
    folder = TemporaryDirectory()
    path = str(Path(folder.name) / "m.nnp")
    code = "import sys; sys.path[:] = eval(sys.argv[2]); from workloads.model_files import write; write(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, path, repr(sys.path)], check=True, stdout=subprocess.DEVNULL)

    def step() -> None:
        nn.clear_parameters()
        NnpLoader(path).get_network("net", batch_size=1)
        assert folder.name in path  # the folder lives as long as the step

    return Program(step, _nothing)


def _nothing() -> np.ndarray:
    return np.zeros(())
