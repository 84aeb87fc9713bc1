"""Pages of the examples and tutorials: what a script says of itself, its picture, and its code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"


def scripts() -> list[Path]:
    """The programs, those by task first; the others are what they import."""
    found = [*sorted(EXAMPLES.glob("*.py")), *sorted((EXAMPLES / "tutorials").glob("*.py"))]
    return [path for path in found if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")]


def example_page(script: Path, table: str) -> str:
    """A script as Markdown.

    Args:
        script: with a docstring.
        table: docs/examples.md, where the row of the script shows its picture.
    """
    source = script.read_text(encoding="utf-8")
    first = ast.parse(source).body[0]
    docstring = (ast.get_docstring(ast.parse(source)) or "").strip()
    title, _, text = docstring.partition("\n\n")
    command = script.relative_to(ROOT).as_posix()
    row = next((line for line in table.splitlines() if line.startswith(f"| `python {command}")), "")
    picture = re.search(r"!\[[^\]]*\]\((pictures/[^)]+)\)", row)
    code = "\n".join(source.splitlines()[first.end_lineno or 0 :]).strip()
    parts = [
        f"# {script.stem.removeprefix('by_examples_').replace('_', ' ').capitalize()}",
        title,
        text,
        f"`{command}`:",
    ]
    if picture:
        parts.insert(3, f"![{script.stem}](../{picture[1]})")
    return "\n\n".join(part for part in parts if part) + f"\n\n```python\n{code}\n```\n"
