"""Count what docs/tflite.md and docs/tensorflow.md say of the operator cases, some minutes for each word.

    python tools/tflite_figures.py litert back
    python tools/tflite_figures.py int8
    python tools/tflite_figures.py tensorflow

`litert`: written and computed by LiteRT. `back`: written, read, and computed here. `tensorflow`: written as a frozen
graph and computed by TensorFlow, where that is installed. Each case is written twice, the second time with all inputs
but the first as parameters. `int8`: with 8-bit integers, by how many steps operators are off, and how many digits are
right.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def integers() -> int:
    """Print how near 8-bit integers are to floats, and whether that is near enough."""
    from tests.converters.tflite.test_quantization import largest_steps, right_digits, varied_network

    steps, _ = largest_steps(varied_network()[0])
    floats, found, size = right_digits()
    print(f"{len(steps)} operators, off by {max(steps.values())} steps at most: {steps}")
    print(f"digits right: {floats:.2%} with floats, {found:.2%} with integers; the file {size:.2f} times as large")
    return max(steps.values()) > 1 or abs(floats - found) > 0.01


def main(words: list[str]) -> int:
    """Print a row for each word, and what is wrong."""
    from tests.converters.tflite.written_cases import ALL_CASES, EQUAL, EXCUSED, NOT_WRITTEN, REFUSED, counted

    failed = []
    print("| computed by | functions | networks | equal | not written | exceptions |")
    print("| --- | --- | --- | --- | --- | --- |")
    for word in words:
        if word == "tensorflow":
            from tests.converters.tensorflow.running import in_tensorflow as computed
        elif word == "litert":
            from tests.converters.tflite.running import in_litert as computed
        else:
            from tests.converters.tflite.running import read_again as computed
        counts, right, wrong = counted(ALL_CASES, computed)
        taken = sum(counts.values()) - counts[REFUSED]
        row = word, len(right), taken, counts[EQUAL], counts[NOT_WRITTEN], counts[EXCUSED]
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        failed += [f"wrong: {word}: {text}" for text in wrong]
    print("\n".join(failed))
    return bool(failed)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    sys.exit(integers() if sys.argv[1:] == ["int8"] else main(sys.argv[1:]))
