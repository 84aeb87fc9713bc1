"""Count what docs/tflite.md and docs/tensorflow.md say of the operator cases, some minutes for each word.

    python tools/tflite_figures.py litert back
    python tools/tflite_figures.py tensorflow

`litert`: written and computed by LiteRT. `back`: written, read, and computed here. `tensorflow`: written as a frozen
graph and computed by TensorFlow, where that is installed. Each case is written twice, the second time with all inputs
but the first as parameters.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


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
    sys.exit(main(sys.argv[1:]))
