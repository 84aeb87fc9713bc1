"""Writes `nnb/functions_yaml.json`: what NNabla 1.39's ``nnabla_cli function_info`` says of every function in YAML.

Run it with the Python of an environment that has nnabla 1.39.0 and its converter.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import yaml

KEPT = ("snake_name", "inputs", "outputs", "uniq_name", "id", "func_type")

with tempfile.TemporaryDirectory() as folder:
    chosen, written = pathlib.Path(folder) / "f.txt", pathlib.Path(folder) / "f.yaml"
    chosen.write_text("Affine\nReLU\n")
    program = pathlib.Path(sys.executable).parent / "nnabla_cli"
    subprocess.run([str(program), "function_info", "-c", str(chosen), "-o", str(written)], check=True)
    found = yaml.safe_load(written.read_text())
facts = {}
for category, functions in found.items():
    facts[category] = {}
    for name, entry in functions.items():
        types = {key: value["type"] for key, value in entry.get("arguments", {}).items()}
        facts[category][name] = {key: entry[key] for key in KEPT} | {"types": types}
lines = [f"{json.dumps(category)}: {{\n" + ",\n".join(f"{json.dumps(n)}: {json.dumps(e)}" for n, e in functions.items())
         + "\n}" for category, functions in facts.items()]  # fmt: skip
target = pathlib.Path(__file__).parent / "nnb" / "functions_yaml.json"
target.write_text("{\n" + ",\n".join(lines) + "\n}\n")
