"""Write src/nnabla/converters/nnp/release_table.py from what releases of NNabla know.

    python tools/make_release_table.py tests/reference/releases/*.json

The files are what tests/reference/record_releases.py prints.
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "src" / "nnabla" / "converters" / "nnp" / "release_table.py"

HEAD = '''"""What releases of NNabla lack of 1.39: types of functions, and fields of messages, with blanks between them.

Made by tools/make_release_table.py.
"""

from __future__ import annotations

LACKING: dict[str, tuple[str, str]] = {
'''


def facts(release: dict, newest: dict, names: dict[str, str]) -> tuple[list[str], list[str]]:
    """Types of functions and fields of messages that the newest release has, and another one does not."""
    functions = [type for name, type in names.items() if name not in release["functions"]]
    fields = []
    for message, there in newest["messages"].items():
        known = release["messages"].get(message)
        if known is not None:
            fields += [f"{message}.{field}" for field in there if field not in known]
    return sorted(functions), sorted(fields)


def main(paths: list[str]) -> None:
    from nnabla.graph.operator import registry

    names = {cls.declaration.name: cls.declaration.type_name for cls in registry.values()
             if cls.declaration.number <= 2000}  # fmt: skip
    releases = [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]
    releases.sort(key=lambda each: tuple(map(int, each["release"].split("."))))
    text = HEAD
    for release in releases:
        text += f'    "{release["release"]}": (\n'
        for found in facts(release, releases[-1], names):
            lines = textwrap.wrap(" ".join(found), 100, break_long_words=False, break_on_hyphens=False)
            if len(lines) < 2:
                text += f'        "{"".join(lines)}",\n'
                continue
            text += "        (\n"
            text += "".join([f'            "{line}{" " if line != lines[-1] else ""}"\n' for line in lines])
            text += "        ),\n"
        text += "    ),\n"
    TABLE.write_text(text + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
