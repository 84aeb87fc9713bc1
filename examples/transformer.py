"""A small transformer reads dates as people write them and writes them as 1997-03-09.

A script makes the data: "9 March 1997", "Mar 9, 1997", "the 9th of March 1997", "9.3.1997", ... The network is a
decoder as
in GPT: it sees the text and the letters written so far, and each place attends to those before it. What you learn:
`PF.multi_head_attention` with a mask, layer normalization, and decoding letter by letter on a static graph.

The result is the share of dates that are right in every letter, among days that were never trained on. The exit
status is 1 if less than 95 % are right.

Source: Vaswani et al., "Attention is all you need", arXiv:1706.03762; Radford et al., "Language Models are Unsupervised
Multitask Learners", 2019, for normalization in front of each branch.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from example_options import example_parser, smoothed, start, updates

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

LETTERS = " " + "".join(map(chr, range(33, 127)))
READ, WRITTEN = 24, 10
BATCH = 64
WIDTH, HEADS, LAYERS = 64, 4, 2
MONTHS = ("January", "February", "March", "April", "May", "June")
MONTHS += ("July", "August", "September", "October", "November", "December")


def as_people_write(day: datetime.date, random: np.random.RandomState) -> str:
    """A date in one of six ways."""
    month = MONTHS[day.month - 1]
    ending = {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th") if day.day not in (11, 12, 13) else "th"
    ways = (
        f"{day.day} {month} {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{month[:3]} {day.day}{ending} {day.year}",
        f"{day.day}{ending} of {month} {day.year}",
        f"{day.day}.{day.month}.{day.year}",
        f"{day.year}, {day.day} {month[:3].upper()}",
    )
    return ways[random.randint(len(ways))]


def numbers(texts: list[str], length: int) -> np.ndarray:
    """Numbers of letters, shape ``(length, len(texts))``; texts end in blanks."""
    return np.array([[LETTERS.index(letter) for letter in text.ljust(length)] for text in texts]).T


def draw_days(random: np.random.RandomState, count: int, held_out: bool) -> list[datetime.date]:
    """Days from 1900 to 2099; every tenth is kept for testing."""
    days = []
    while len(days) < count:
        number = random.randint(73049)
        if (number % 10 == 0) == held_out:
            days.append(datetime.date(1900, 1, 1) + datetime.timedelta(days=int(number)))
    return days


def network(letters: nn.Variable) -> tuple[nn.Variable, nn.Variable]:
    """Scores of the letters to write.

    Args:
        letters: what was read and written so far, shape ``(T, B)``.
    Returns:
        Scores ``(10, B, number of letters)``, the first of them for the place behind what was read; weights of the last
        attention, shape ``(B * heads, T, T)``.
    """
    length = letters.shape[0]
    future = nn.Variable.from_numpy_array(np.triu(np.full((length, length), -1e9, np.float32), 1))
    with nn.parameter_scope("transformer"):
        places = nn.parameter.get_parameter_or_create(
            "places", (length, 1, WIDTH), nn.initializer.NormalInitializer(0.5), need_grad=True
        )
        h = PF.embed(letters, len(LETTERS), WIDTH, name="letters") + places
        for layer in range(LAYERS):
            with nn.parameter_scope(f"layer{layer}"):
                x = PF.layer_normalization(h, batch_axis=(0, 1), name="before_attention")
                attended, weights = PF.multi_head_attention(x, x, x, HEADS, additive_mask=future, name="attention")
                h = h + attended
                x = PF.layer_normalization(h, batch_axis=(0, 1), name="before_affine")
                h = h + PF.affine(F.gelu(PF.affine(x, 4 * WIDTH, 2, name="wide")), WIDTH, 2, name="narrow")
        h = PF.layer_normalization(h[READ - 1 :], batch_axis=(0, 1), name="last")
        return PF.affine(h, len(LETTERS), 2, name="scores"), weights


def decode(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """What the network writes for texts, and the weights of its last attention, ``(len(texts), heads, T, T)``."""
    letters = nn.Variable((READ + WRITTEN - 1, len(texts)))
    scores, weights = network(letters)
    written = np.zeros((WRITTEN, len(texts)), dtype=int)
    for place in range(WRITTEN):
        letters.d = np.concatenate([numbers(texts, READ), written[:-1]])
        nn.forward_all([scores, weights], clear_buffer=True)
        written[place] = scores.d[place].argmax(axis=1)
    dates = ["".join(LETTERS[number] for number in column) for column in written.T]
    return dates, weights.d.reshape(len(texts), HEADS, *weights.shape[1:])


def save_figure(losses: list[float], text: str, date: str, weights: np.ndarray, path: Path) -> None:
    """Write the loss, and where the network looks while it writes a date, into one PNG."""
    figure, panels = plt.subplots(1, 2, figsize=(14, 5), layout="constrained", width_ratios=(2, 3))
    panels[0].semilogy(smoothed(losses), color="#0072B2")
    panels[0].set(xlabel="update", ylabel="cross entropy of a letter (mean of 25)", title="Training")
    panels[1].imshow(weights, cmap="Blues", aspect="auto")
    panels[1].set_xticks(range(len(text)), [letter.replace(" ", "␣") for letter in text])
    panels[1].set_yticks(range(WRITTEN), list(date))
    panels[1].set(xlabel="read", ylabel="written", title="Attention of the last layer, the largest of its heads")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> dict[str, float | bool]:
    """Run the example; the result holds losses and the shares of letters and dates that are right (0 to 1)."""
    args = example_parser(__doc__, iterations=700).parse_args(argv)
    random = start(args)
    letters, target = nn.Variable((READ + WRITTEN - 1, BATCH)), nn.Variable((WRITTEN, BATCH, 1))
    scores, _ = network(letters)
    loss = F.mean(F.softmax_cross_entropy(scores, target, axis=2))
    solver = S.Adam(2e-3)
    solver.set_parameters(nn.get_parameters())
    losses = []
    with updates(args.iterations, "transformer") as progress:
        for iteration in progress:
            days = draw_days(random, BATCH, held_out=False)
            answer = numbers([day.isoformat() for day in days], WRITTEN)
            letters.d = np.concatenate([numbers([as_people_write(day, random) for day in days], READ), answer[:-1]])
            target.d = answer[:, :, np.newaxis]
            warm, left = (iteration + 1) / 100, 1 - iteration / args.iterations
            solver.set_learning_rate(2e-3 * min(warm, 1, 2 * left))
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.clip_grad_by_norm(1.0)
            solver.update()
            losses.append(float(loss.d))
            if iteration % 20 == 0:
                progress.set_postfix(loss=f"{np.mean(losses[-20:]):.4f}", refresh=False)

    days = draw_days(random, 200, held_out=True)
    texts, truth = [as_people_write(day, random) for day in days], [day.isoformat() for day in days]
    dates, weights = decode(texts)
    letters_right = np.mean(
        [a == b for date, true in zip(dates, truth, strict=True) for a, b in zip(date, true, strict=True)]
    )
    right = np.mean([date == true for date, true in zip(dates, truth, strict=True)])
    for text, date, true in list(zip(texts, dates, truth, strict=True))[:5]:
        print(f"  {text:26s}{date}{'' if date == true else f'   wrong, {true}'}")
    longest = max(range(len(texts)), key=lambda i: len(texts[i]))
    looks = weights[longest].max(axis=0)[READ - 1 :, : len(texts[longest])]
    save_figure(losses, texts[longest], dates[longest], looks, args.output / "transformer.png")
    print(f"result: {right:.1%} of {len(texts)} dates right")
    return {
        "initial_loss": losses[0],
        "final_loss": float(np.mean(losses[-20:])),
        "letters_right": float(letters_right),
        "right": float(right),
        "passed": bool(right >= 0.95),
    }


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
