"""Model files of old releases of the original NNabla, and what their networks compute.

    python tests/reference/record_old_files.py

run by a Python with an old release, writes ``tests/reference/old_files/``. The oldest wheels that package registries
still have are those of 1.14.0. Only what all releases have is used here.
"""

import os
import zipfile

import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.utils.save import save

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "old_files")


def network(x):
    """Functions of all kinds, whose numbers in binary files have moved since."""
    h = PF.convolution(x, 4, (3, 3), pad=(1, 1), name="c1")
    h = F.relu(PF.batch_normalization(h, batch_stat=False, name="bn"), inplace=True)
    h = F.max_pooling(h, (2, 2))
    h = PF.deconvolution(h, 3, (2, 2), stride=(2, 2), name="d1")
    h = F.average_pooling(F.elu(h, 0.5), (2, 2), stride=(1, 1))
    h = F.pad(h, (0, 0, 1, 0), mode="constant", constant_value=0.5)
    h = F.concatenate(F.tanh(h), F.leaky_relu(h, 0.3), axis=1)
    h = F.reshape(F.transpose(h, (0, 2, 3, 1)), (x.shape[0], -1))
    h = F.clip_by_value(PF.affine(h, 6, name="fc"), -1, 1)
    h = F.dropout(h, 1e-9) * 2 + 0.25
    return F.softmax(h[:, 1:5]), F.sum(F.abs(h), axis=1)


def inputs():
    """Values for the input."""
    return np.random.RandomState(4).uniform(-1, 1, (2, 2, 6, 6)).astype(np.float32)


def main():
    """Records."""
    if not os.path.isdir(FOLDER):
        os.makedirs(FOLDER)
    nn.clear_parameters()
    x = nn.Variable((2, 2, 6, 6))
    y, z = network(x)
    rng = np.random.RandomState(9)
    for key, param in sorted(nn.get_parameters(grad_only=False).items()):
        param.d = rng.uniform(0.5 if key.endswith("var") else -1.0, 1, param.shape)
    solver = S.Adam(0.5)
    solver.set_parameters(nn.get_parameters())
    contents = {
        "networks": [{"name": "net", "batch_size": 2, "outputs": {"y": y, "z": z}, "names": {"x": x}}],
        "datasets": [
            {
                "name": "data",
                "uri": "data.csv",
                "cache_dir": "data.cache",
                "variables": {"x": x},
                "shuffle": True,
                "batch_size": 2,
                "no_image_normalization": True,
            }
        ],
        "optimizers": [
            {
                "name": "optimizer",
                "solver": solver,
                "network": "net",
                "dataset": "data",
                "weight_decay": 0.5,
                "lr_decay": 0.75,
                "lr_decay_interval": 2,
                "update_interval": 1,
                "data_variables": {"x": "x"},
            }
        ],
        "executors": [{"name": "run", "network": "net", "data": ["x"], "output": ["y"]}],
    }
    name = os.path.join(FOLDER, nn.__version__)
    x.d = inputs()
    nn.forward_all([y, z])
    np.savez_compressed(name + ".npz", y=y.d, z=z.d)
    for extension in (".nnp", ".protobuf"):
        save(name + extension, contents, include_params=True)
    with zipfile.ZipFile(name + ".nnp") as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(name + ".nnp", "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members:
            archive.writestr(zipfile.ZipInfo(member), data, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
