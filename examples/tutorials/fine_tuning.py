"""Fine-tuning: a network trained on many pictures of some things learns other things from few.

What you learn: load a saved network with `NnpLoader`, build it up to a layer for training and for validation
(`NnpNetworkPass`), put a new classifier on top, and train all of it, or the classifier alone, with fewer pictures
than a network from scratch would need.

The manual of NNabla does this with a ResNet trained on ImageNet and the pictures of Caltech 101. Here nothing is
downloaded: a script draws 16 categories of shapes in all sizes, colours and places. Twelve are for pretraining; of
the other four there are five pictures each. `nnabla.models.imagenet` gives networks for real pictures in the same
way: `model(x, use_up_to="pool", training=True)`.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm
from tutorial_options import positive_int, tutorial_parser

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.monitor import tile_images
from nnabla.utils.nnp_graph import NnpLoader, NnpNetworkPass
from nnabla.utils.save import save

SIZE = 28
BATCH = 40
KNOWN = 12
KINDS = ("filled", "outlined", "star", "cross")
NEW = ("6 filled", "5 outlined", "4 star", "3 cross")
SHAPES = (*(name for kind in KINDS for n in (3, 4, 5, 6) if (name := f"{n} {kind}") not in NEW), *NEW)
"""Categories: polygons, their outlines, stars, and crosses of bars; the last four are learned from few pictures."""


def corners_of(count: int, radius: float, middle: np.ndarray, turn: float, star: bool) -> list[tuple[float, float]]:
    """Corners of a polygon, or of a star of so many points."""
    angles = turn + np.arange(2 * count if star else count) * (np.pi / count if star else 2 * np.pi / count)
    radii = radius * np.where(np.arange(len(angles)) % 2, 0.45, 1.0) if star else np.full(len(angles), radius)
    return [tuple(middle + r * np.array([np.cos(a), np.sin(a)])) for a, r in zip(angles, radii, strict=True)]


def draw(category: int, random: np.random.RandomState) -> np.ndarray:
    """A picture of a category, shape (3, 28, 28), values of 0 to 1, drawn at four times the size."""
    corners, kind = SHAPES[category].split()
    scale = 4
    paper, ink = (tuple(int(v) for v in random.randint(low, high, 3)) for low, high in ((0, 100), (150, 256)))
    image = Image.new("RGB", (scale * SIZE, scale * SIZE), paper)
    pen = ImageDraw.Draw(image)
    radius = random.uniform(0.32, 0.45) * scale * SIZE
    middle = scale * SIZE / 2 + random.uniform(-0.06, 0.06, 2) * scale * SIZE
    turn = random.uniform(0, 2 * np.pi)
    points = corners_of(int(corners), radius, middle, turn, star=kind == "star")
    if kind == "cross":
        for point in points:
            pen.line([tuple(middle), point], fill=ink, width=2 * scale)
    elif kind == "outlined":
        pen.line([*points, points[0], points[1]], fill=ink, width=2 * scale, joint="curve")
    else:
        pen.polygon(points, fill=ink)
    small = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX), np.float32) / 255
    return np.clip(small.transpose(2, 0, 1) + random.normal(0, 0.03, (3, SIZE, SIZE)), 0, 1).astype(np.float32)


def pictures(categories: range, each: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Pictures ``(N, 3, 28, 28)`` and labels ``(N, 1)``, counted from the first of the categories."""
    images = np.stack([draw(category, random) for category in categories for _ in range(each)])
    return images, np.repeat(np.arange(len(categories)), each)[:, np.newaxis]


def pretrained_network(x: nn.Variable, test: bool = False) -> nn.Variable:
    """Scores ``(B, 12)`` for pictures ``(B, 3, 28, 28)``."""
    h = x
    for number, maps in enumerate((16, 32, 48)):
        with nn.parameter_scope(f"conv{number}"):
            h = PF.convolution(h, maps, (3, 3), pad=(1, 1), with_bias=False)
            h = F.max_pooling(F.relu(PF.batch_normalization(h, batch_stat=not test)), (2, 2))
    h = F.relu(PF.affine(h, 64, name="features"))
    return PF.affine(h, KNOWN, name="classifier")


def train(
    x: nn.Variable,
    y: nn.Variable,
    data: tuple[np.ndarray, np.ndarray],
    steps: int,
    rate: float,
    random: object,
    name: str,
) -> list[float]:
    """Train all parameters that y depends on and that want a gradient; the losses."""
    images, labels = data
    t = nn.Variable((x.shape[0], 1))
    loss = F.mean(F.softmax_cross_entropy(y, t))
    solver = S.Adam(rate)
    solver.set_parameters(nn.get_parameters())
    losses = []
    for _ in tqdm(range(steps), desc=name, ncols=80, mininterval=0.2):
        rows = random.randint(len(images), size=x.shape[0])
        # Seen from the left or from the right.
        x.d, t.d = images[rows][..., :: random.choice([-1, 1])], labels[rows]
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        solver.weight_decay(1e-4)
        solver.update()
        losses.append(float(loss.d))
    return losses


def error_of(x: nn.Variable, y: nn.Variable, data: tuple[np.ndarray, np.ndarray]) -> float:
    """Share of wrong answers (0 to 1)."""
    x.d = data[0]
    y.forward(clear_buffer=True)
    return float(np.mean(y.d.argmax(axis=1) != data[1][:, 0]))


def save_pretrained(path: Path) -> None:
    """Write network and parameters as `nnabla.models` has them."""
    x = nn.Variable((1, 3, SIZE, SIZE))
    network = {"name": "shapes", "batch_size": 1, "outputs": {"y": pretrained_network(x)}, "names": {"x": x}}
    executor = {"name": "run", "network": "shapes", "data": ["x"], "output": ["y"]}
    save(str(path), {"networks": [network], "executors": [executor]})


def features(loader: NnpLoader, x: nn.Variable, training: bool, fixed: bool) -> nn.Variable:
    """The saved network up to the layer before its classifier, on pictures of ours.

    Args:
        loader: of the model.
        x: pictures.
        training: normalize with the statistics of the batch.
        fixed: do not train its parameters.
    """
    passes = NnpNetworkPass()
    passes.set_variable("x", x)
    passes.set_batch_normalization_batch_stat_all(training)
    if fixed:
        passes.fix_parameters()
    # The last ReLU: its output is what the classifier reads.
    network = loader.network_dict["shapes"]
    last = [f.outputs[0] for f in network.functions.values() if f.type == "ReLU"][-1]
    passes.use_up_to(last)
    (y,) = loader.get_network("shapes", batch_size=x.shape[0], callback=passes).outputs.values()
    return y


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Run the tutorial; the result holds the errors (0 to 1) of all networks."""
    parser = tutorial_parser(__doc__, iterations=150)
    parser.add_argument("--pretraining-iterations", type=positive_int, default=800, metavar="N", help="default 800")
    parser.add_argument("--each", type=positive_int, default=5, metavar="N", help="pictures of a new thing (default 5)")
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(args.seed)
    nn.clear_parameters()
    nn.seed(args.seed)
    result: dict[str, float] = {}

    print("1. Pretraining on twelve categories")
    known, known_test = (pictures(range(KNOWN), each, random) for each in (100, 20))
    x = nn.Variable((BATCH, 3, SIZE, SIZE))
    train(x, pretrained_network(x), known, args.pretraining_iterations, 3e-3, random, "pretraining")
    x = nn.Variable((len(known_test[0]), 3, SIZE, SIZE))
    result["pretrained"] = error_of(x, pretrained_network(x, test=True), known_test)
    print(f"  error {result['pretrained']:.1%} of {len(known_test[0])} pictures")
    path = args.output / "shapes.nnp"
    save_pretrained(path)

    print(f"2. Four other categories, {args.each} pictures each")
    new = range(KNOWN, len(SHAPES))
    few, test = (pictures(new, each, random) for each in (args.each, 100))
    curves = {}
    for name in ("from scratch", "classifier alone", "fine-tuned"):
        nn.clear_parameters()
        nn.seed(args.seed + 1)
        x, x_test = nn.Variable((BATCH // 2, 3, SIZE, SIZE)), nn.Variable((len(test[0]), 3, SIZE, SIZE))

        def on_top(h: nn.Variable) -> nn.Variable:
            return PF.affine(h, len(new), name="new_classifier")

        if name == "from scratch":
            y, y_test = on_top(F.relu(pretrained_network(x))), on_top(F.relu(pretrained_network(x_test, test=True)))
        else:
            fixed = name == "classifier alone"
            # Parameters are shared: what is built last says whether they are trained.
            loader = NnpLoader(str(path))
            y_test = on_top(features(loader, x_test, training=False, fixed=True))
            y = on_top(features(loader, x, training=not fixed, fixed=fixed))
            for parameter_name, parameter in nn.get_parameters().items():
                if parameter_name.endswith(("/mean", "/var")):
                    parameter.need_grad = False
        curves[name] = train(x, y, few, args.iterations, 3e-3 if name != "fine-tuned" else 1e-3, random, name)
        result[name] = error_of(x_test, y_test, test)
    for name in curves:
        print(f"  {name:18s}error {result[name]:6.1%} of {len(test[0])} pictures")

    figure, panels = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    for panel, shown, title in ((panels[0], known[0][::25], "known"), (panels[1], few[0], "new, all that there are")):
        panel.imshow(tile_images(shown).clip(0, 1))
        panel.set_title(title)
        panel.axis("off")
    panels[2].bar(list(curves), [100 * result[name] for name in curves], color=["0.6", "tab:orange", "tab:blue"])
    panels[2].set(ylabel="percent wrong", title=f"{len(test[0])} new pictures, by chance 75 %")
    figure.savefig(args.output / "fine_tuning.png", dpi=110)
    plt.close(figure)
    print(f"result: {', '.join(f'{name} {result[name]:.1%}' for name in curves)} of {len(test[0])} pictures wrong")
    return result


if __name__ == "__main__":
    main()
