"""A language model of characters: an LSTM reads English and guesses the next letter.

The text is the reference of the Python language that comes with every Python (`pydoc_data.topics`, some 700,000
characters). What you learn: `PF.lstm` over whole sequences, state that is carried from one batch to the next, gradients
clipped by their norm, and drawing a text letter by letter.

The result is bits per character on the last twentieth of the text, which was not trained on. The exit status is 1 if
that is not better than the best guess from the two letters before.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import numpy as np
from example_options import example_parser, positive_int, smoothed, start, updates

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

BATCH = 32
STEPS = 48
LETTERS = "\n" + "".join(map(chr, range(32, 127)))


def load_text() -> np.ndarray:
    """The text as numbers of letters; what is not ASCII is left out."""
    text = "\n".join(topics[name] for name in sorted(topics))
    places = {letter: number for number, letter in enumerate(LETTERS)}
    return np.array([places[letter] for letter in text if letter in places], dtype=np.int32)


class LanguageModel:
    """Scores of the next letter, with state that goes on from call to call.

    Args:
        batch: texts that are read at once.
        steps: letters that are read at once.
        width: size of the state.

    Attributes:
        letters: input, shape ``(T, B)``.
        scores: shape ``(T, B, number of letters)``.
    """

    def __init__(self, batch: int, steps: int, width: int) -> None:
        self.letters = nn.Variable((steps, batch))
        self.h, self.c = nn.Variable((1, 1, batch, width)), nn.Variable((1, 1, batch, width))
        self.forget()
        x = PF.embed(self.letters, len(LETTERS), 32, name="letters")
        y, self.h_after, self.c_after = PF.lstm(x, self.h, self.c, name="lstm")
        for state in (self.h_after, self.c_after):
            state.persistent = True  # Read after forward has freed the rest.
        self.scores = PF.affine(y, len(LETTERS), base_axis=2, name="scores")

    def forget(self) -> None:
        """Begin anew."""
        self.h.d, self.c.d = 0, 0

    def go_on(self) -> None:
        """Take the state after the letters just read as that before the next ones."""
        self.h.d, self.c.d = self.h_after.d, self.c_after.d


def bits_by_counts(train: np.ndarray, test: np.ndarray) -> float:
    """Bits per character where the two letters before say what comes, as counted in the training text."""
    n = len(LETTERS)
    counts = np.full((n * n, n), 0.01)
    np.add.at(counts, (train[:-2] * n + train[1:-1], train[2:]), 1)
    p = counts / counts.sum(axis=1, keepdims=True)
    return float(-np.log2(p[test[:-2] * n + test[1:-1], test[2:]]).mean())


def bits_by_model(test: np.ndarray, width: int) -> float:
    """Bits per character of a text, read from its beginning to its end in ten pieces side by side."""
    length = (len(test) - 1) // 10
    model = LanguageModel(10, length, width)
    target = nn.Variable((length, 10, 1))
    loss = F.mean(F.softmax_cross_entropy(model.scores, target, axis=2))
    model.letters.d = test[: 10 * length].reshape(10, length).T
    target.d = test[1 : 10 * length + 1].reshape(10, length).T[:, :, np.newaxis]
    loss.forward(clear_buffer=True)
    return float(loss.d) / np.log(2)


def draw_text(random: np.random.RandomState, width: int, length: int, temperature: float = 0.7) -> str:
    """Text of the model's own, letter by letter."""
    model = LanguageModel(1, 1, width)
    p = F.softmax(model.scores / temperature, axis=2)
    drawn = [0]
    for _ in range(length):
        model.letters.d = drawn[-1]
        nn.forward_all([p, model.h_after, model.c_after], clear_buffer=True)
        model.go_on()
        weights = p.d.ravel().astype(np.float64)
        drawn.append(int(random.choice(len(LETTERS), p=weights / weights.sum())))
    return "".join(LETTERS[number] for number in drawn[1:])


def save_figure(bits: list[float], counted: float, text: str, path: Path) -> None:
    """Write the bits of each batch, and what the model wrote, into one PNG."""
    figure, panels = plt.subplots(1, 2, figsize=(14, 5), layout="constrained")
    panels[0].plot(smoothed(bits), color="#0072B2", label="LSTM, training")
    panels[0].axhline(counted, color="#D55E00", linestyle=":", label="two letters before, test")
    panels[0].set(xlabel="update", ylabel="bits per character (mean of 25)", title="How well the next letter is known")
    panels[0].legend(frameon=False)
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, 92, drop_whitespace=False) or [""]]
    panels[1].text(0, 1, "\n".join(lines), family="monospace", fontsize=8.5, va="top", parse_math=False)
    panels[1].set_title("What it writes")
    panels[1].axis("off")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> dict[str, float | str | bool]:
    """Run the example; the result holds bits per character and the text that was drawn."""
    parser = example_parser(__doc__, iterations=800)
    parser.add_argument("--width", type=positive_int, default=192, metavar="W", help="size of the state (default 192)")
    args = parser.parse_args(argv)
    random = start(args)
    text = load_text()
    train, test = text[: len(text) * 19 // 20], text[len(text) * 19 // 20 :]

    model = LanguageModel(BATCH, STEPS, args.width)
    target = nn.Variable((STEPS, BATCH, 1))
    loss = F.mean(F.softmax_cross_entropy(model.scores, target, axis=2))
    loss.persistent = True
    solver = S.Adam(4e-3)
    solver.set_parameters(nn.get_parameters())
    # 32 places in the text, from where the batches go on side by side.
    length = (len(train) - 1) // BATCH
    columns, nexts = (part[: BATCH * length].reshape(BATCH, length).T for part in (train, train[1:]))
    bits: list[float] = []
    with updates(args.iterations, "lstm") as progress:
        for iteration in progress:
            first = iteration * STEPS % (length - STEPS)
            if first < STEPS:
                model.forget()
            model.letters.d, target.d = columns[first : first + STEPS], nexts[first : first + STEPS, :, np.newaxis]
            solver.set_learning_rate(4e-3 * min(1, 2 * (1 - iteration / args.iterations) + 0.02))
            nn.forward_all([loss, model.h_after, model.c_after], clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.clip_grad_by_norm(1.0)
            solver.update()
            model.go_on()
            bits.append(float(loss.d) / np.log(2))
            if iteration % 20 == 0:
                progress.set_postfix(bits=f"{np.mean(bits[-20:]):.3f}", refresh=False)

    result = {"bits": bits_by_model(test, args.width), "bits_by_counts": bits_by_counts(train, test)}
    written = draw_text(random, args.width, 700)
    save_figure(bits, result["bits_by_counts"], written, args.output / "lstm_language_model.png")
    print(written)
    print(f"\nresult: {result['bits']:.3f} bits per character, by counts {result['bits_by_counts']:.3f}")
    return {**result, "text": written, "passed": result["bits"] < result["bits_by_counts"]}


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
