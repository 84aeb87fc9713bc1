"""Follows the Dockerfile without Docker: `python tools/try_dockerfile.py`.

Each stage gets an empty folder for its root and a fresh virtual environment for its Python; COPY and RUN do there what
they would do in the image, with its absolute paths below that folder. What only an image has is left out and named:
packages of the system, users. PyTorch comes from the index that pip is set up for, unless `--torch-index` says
otherwise. In the end the entry point runs, and converts a network to every format that the image's extras are for.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = ("apt-get", "useradd")
# Folders of the image; what else begins with a slash is an address or an option.
ABSOLUTE = re.compile(r"(?<![\w./$}])/(?=(?:source|wheels|tmp|home)\b)")
MODEL = """
import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.utils.save import save

x = nn.Variable((1, 1, 8, 8))
y = F.softmax(PF.affine(F.relu(PF.convolution(x, 4, (3, 3))), 5))
network = {"name": "net", "batch_size": 1, "outputs": {"y": y}, "names": {"x": x}}
executor = {"name": "run", "network": "net", "data": ["x"], "output": ["y"]}
save("net.nnp", {"networks": [network], "executors": [executor]})
"""


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile: their names, and what follows them on one line."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in joined.splitlines() if line.strip()]


class Stage:
    """A stage of the build: its root, environment and working folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root
        for name in ("tmp", "home"):
            (root / name).mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "venv", root / "python"], check=True)

    def path(self, text: str) -> Path:
        """A path of the image as one of this machine."""
        path = self.root / text[1:] if text.startswith("/") else self.work / text
        return path / "" if text.endswith("/") else path

    def run(self, command: str | list[str], **options: str) -> None:
        """Run a shell line, or a program of the environment, in the working folder."""
        binaries = str(self.root / "python" / "bin")
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment |= {"PATH": os.pathsep.join([binaries, os.environ["PATH"]]), **options}
        if isinstance(command, str):
            command = ["sh", "-ec", ABSOLUTE.sub(f"{self.root}/", command)]
        subprocess.run(command, check=True, cwd=self.work, env=environment)

    def copy(self, sources: list[Path], target: str) -> None:
        """COPY: several files into a folder, the contents of a folder into another."""
        place = self.path(target)
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                into = target.endswith("/") or place.is_dir()
                (place if into else place.parent).mkdir(parents=True, exist_ok=True)
                shutil.copy(source, place)


def follow(text: str, folder: Path, torch_index: str | None) -> tuple[Stage, list[str]]:
    """Do what a Dockerfile says; returns the last stage, and the command that the image would run."""
    stages: dict[str, Stage] = {}
    stage, arguments, entry, command = None, {}, [], []
    for name, rest in instructions(text):
        if name == "FROM":
            stage = Stage(folder / f"stage{len(stages)}")
            stages[rest.partition(" AS ")[2] or str(len(stages))] = stage
            print(f"FROM {rest}: {sys.version.split()[0]} in an environment of its own", flush=True)
            continue
        if name == "ARG":
            key, _, value = rest.partition("=")
            arguments[key] = value
            continue
        assert stage is not None
        if name == "WORKDIR":
            stage.work = stage.path(rest)
            stage.work.mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            words = rest.split()
            origin = stages[words.pop(0).partition("=")[2]] if words[0].startswith("--from=") else None
            stage.copy([origin.path(w) if origin else ROOT / w for w in words[:-1]], words[-1])
        elif name == "RUN" and rest.split()[0] in SYSTEM:
            print(f"left out: RUN {rest}", flush=True)
        elif name == "RUN":
            print(f"RUN {rest}", flush=True)
            stage.run(rest, **{**arguments, **({"TORCH_INDEX": torch_index} if torch_index else {})})
        elif name == "ENTRYPOINT":
            entry = shlex.split(rest.strip("[]").replace(",", " "))
        elif name == "CMD":
            command = shlex.split(rest.strip("[]").replace(",", " "))
        elif name == "USER":
            print(f"left out: USER {rest}", flush=True)
        else:
            raise ValueError(f"Dockerfile: {name} is not followed")
    assert stage is not None
    return stage, [*entry, *command]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--torch-index", metavar="URL", help="where PyTorch comes from")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
        stage, command = follow(text, Path(folder), args.torch_index)
        binaries = stage.root / "python" / "bin"
        program = str(binaries / command[0])
        stage.run([program, *command[1:]])
        stage.run([program, "version"])
        stage.run([str(binaries / "python"), "-c", MODEL])
        for output in ("net.onnx", "net.tflite", "net.nnb"):
            stage.run([program, "convert", "-b", "1", "net.nnp", output])
        stage.run([program, "convert", "-O", "CSRC", "-b", "1", "--self-contained", "net.nnp", "c"])
        stage.run(["make", "-C", "c"])
        for output in ("net.onnx", "net.tflite", "net.nnb"):
            assert (stage.work / output).stat().st_size > 200, output
    print("the Dockerfile's steps work; no image was built")
    return 0


if __name__ == "__main__":
    sys.exit(main())
