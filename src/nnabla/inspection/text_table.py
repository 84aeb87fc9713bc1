"""Tables as text and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns in line, the first `left` of them to the left, the others to the right.

    Example:
        >>> print(text_table(["layer", "size"], [["conv", "9"], ["affine", "120"]]))
        layer   size
        ------  ----
        conv       9
        affine   120
    """
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    pads = [str.ljust] * left + [str.rjust] * (len(header) - left)
    return "\n".join(
        "  ".join(pad(cell, width) for pad, cell, width in zip(pads, line, widths, strict=True)).rstrip()
        for line in lines
    )


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same for a notebook."""
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in header)]
    lines += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def in_units(number: float, unit: str) -> str:
    """A number with three or four digits and a prefix of its unit.

    Example:
        >>> in_units(12_345_678, "B"), in_units(0, "B"), in_units(999.6, "FLOP")
        ('12.3 MB', '0 B', '1.00 kFLOP')
    """
    value = float(number)
    for prefix in ("", "k", "M", "G", "T", "P"):
        if abs(value) < 999.5 or prefix == "P":
            break
        value /= 1000
    digits = 0 if not prefix else 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f} {prefix}{unit}"
