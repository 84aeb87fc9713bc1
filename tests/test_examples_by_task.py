"""The examples by task, and the tutorials on rewriting and formats, with few steps: they learn, or are right."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import nnabla as nn

from .example_runs import assert_figures, example, global_state  # noqa: F401


def run(name: str, folder: Path, *options: str) -> dict:
    return example(name).main(["--output", str(folder), *options])


def test_gan(tmp_path: Path) -> None:
    result = run("gan", tmp_path, "--iterations", "300")
    assert result["real_distance"] < result["distance"] < 0.9 * result["noise_distance"]
    assert result["classes"] >= 3
    assert_figures(tmp_path, "gan")


def test_each_loss_of_the_gan_reaches_its_own_network_only() -> None:
    gan = example("gan")
    z, x = nn.Variable((4, gan.LATENT)), nn.Variable((4, 1, 8, 8))
    z.d, x.d = np.random.randn(*z.shape), np.random.randn(*x.shape)
    made = gan.generator(z)
    loss = gan.judged_as(gan.discriminator(made.get_unlinked_variable(need_grad=False)), real=False)
    for parameter in nn.get_parameters().values():
        parameter.grad.zero()
    made.forward()
    loss.forward()
    loss.backward()
    moved = {name.split("/")[0] for name, parameter in nn.get_parameters().items() if np.any(parameter.g)}
    assert moved == {"discriminator"}


def test_vae(tmp_path: Path) -> None:
    result = run("vae", tmp_path, "--iterations", "1500")
    assert 20 < result["nats"] < result["nats_of_mean"]
    assert_figures(tmp_path, "vae")


def test_the_divergence_of_the_vae_is_that_of_two_normal_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without noise, and with a decoder that always says 0, the bound is 64 bits of 0.5 and the divergence."""
    vae = example("vae")
    mean, log_variance = np.array([[0.5, -1.0], [0.0, 2.0]]), np.array([[0.3, -0.7], [0.0, 1.0]])
    monkeypatch.setattr(vae, "encoder", lambda x: tuple(map(nn.Variable.from_numpy_array, (mean, log_variance))))
    monkeypatch.setattr(vae, "decoder", lambda z: nn.functions.constant(0, (2, 64)))
    bound = vae.bound(nn.Variable.from_numpy_array(np.random.rand(2, 64)))
    bound.forward()
    variance = np.exp(log_variance)
    divergence = 0.5 * (variance + mean**2 - 1 - np.log(variance)).sum(axis=1)
    assert float(bound.d) == pytest.approx(64 * np.log(2) + divergence.mean(), rel=1e-5)


def test_lstm_language_model(tmp_path: Path) -> None:
    result = run("lstm_language_model", tmp_path, "--iterations", "60", "--width", "64")
    assert 1.5 < result["bits_by_counts"] < 3.5
    assert result["bits"] < 4.5, "knowing nothing is 6.6 bits, knowing how frequent letters are 4.7"
    assert len(result["text"]) == 700
    assert_figures(tmp_path, "lstm_language_model")


def test_the_state_of_the_language_model_goes_on() -> None:
    """Reading in two pieces gives what reading at once gives."""
    lstm = example("lstm_language_model")
    letters = np.random.RandomState(1).randint(len(lstm.LETTERS), size=(8, 3))
    whole = lstm.LanguageModel(3, 8, 5)
    whole.letters.d = letters
    whole.scores.forward()
    half, found = lstm.LanguageModel(3, 4, 5), []
    for piece in (letters[:4], letters[4:]):
        half.letters.d = piece
        nn.forward_all([half.scores, half.h_after, half.c_after])
        found.append(half.scores.d.copy())
        half.go_on()
    np.testing.assert_allclose(np.concatenate(found), whole.scores.d, rtol=1e-4, atol=1e-6)


def test_transformer(tmp_path: Path) -> None:
    result = run("transformer", tmp_path, "--iterations", "120")
    assert result["final_loss"] < 0.4 * result["initial_loss"]
    assert result["letters_right"] > 0.5, "two of ten are dashes, one of ten by chance"
    assert_figures(tmp_path, "transformer")


def test_the_transformer_does_not_look_ahead() -> None:
    transformer = example("transformer")
    letters = nn.Variable((transformer.READ + transformer.WRITTEN - 1, 2))
    scores, weights = transformer.network(letters)
    random = np.random.RandomState(0)
    letters.d = random.randint(90, size=letters.shape)
    nn.forward_all([scores, weights])
    before = scores.d.copy()
    letters.d[-3:] = random.randint(90, size=(3, 2))
    nn.forward_all([scores, weights])
    assert np.array_equal(scores.d[:-3], before[:-3])
    assert not np.allclose(scores.d[-3:], before[-3:])
    assert np.all(np.triu(weights.d[0], 1) == 0)


def test_dates_of_the_transformer() -> None:
    transformer = example("transformer")
    random = np.random.RandomState(3)
    days = transformer.draw_days(random, 300, held_out=True)
    texts = [transformer.as_people_write(day, random) for day in days]
    assert max(map(len, texts)) <= transformer.READ
    ways = (
        "[0-9]+ [A-Z][a-z]+ ",
        "[A-Z][a-z]+ [0-9]+, ",
        "[A-Z][a-z]{2} [0-9]+(st|nd|rd|th) ",
        ".* of ",
        r"[0-9]+\.",
        "[0-9]{4},",
    )
    assert all(any(re.match(way, text) for text in texts) for way in ways)
    assert all(str(day.year) in text for day, text in zip(days, texts, strict=True))
    trained = {day.toordinal() % 10 for day in transformer.draw_days(random, 300, held_out=False)}
    assert len(trained) == 9 and not trained & {day.toordinal() % 10 for day in days}


def test_reinforcement_learning(tmp_path: Path) -> None:
    pytest.importorskip("gymnasium")
    result = run("reinforcement_learning", tmp_path, "--iterations", "15")
    assert result["last"] > 1.5 * result["first"], "twenty steps at first, as by chance"
    assert result["tested"] > 60
    assert_figures(tmp_path, "reinforcement_learning")


def test_advantages_by_hand() -> None:
    pytest.importorskip("gymnasium")
    learning = example("reinforcement_learning")
    rewards, ended = np.array([[1.0], [2.0], [3.0]]), np.array([[0.0], [1.0], [0.0]])
    values = np.array([[0.5], [1.0], [1.5], [2.0]])
    last = 3 + 0.99 * 2.0 - 1.5
    middle = 2 - 1.0  # The episode ended: neither what comes nor what was expected of it counts.
    first = (1 + 0.99 * 1.0 - 0.5) + 0.99 * 0.95 * middle
    np.testing.assert_allclose(learning.advantages(rewards, values, ended).ravel(), [first, middle, last])


def test_super_resolution(tmp_path: Path) -> None:
    result = run("super_resolution", tmp_path, "--iterations", "60")
    assert result["network"] > result["bicubic"] - 0.5
    assert 20 < result["bicubic"] < 45
    assert_figures(tmp_path, "super_resolution")


def test_an_untrained_super_resolution_is_bicubic() -> None:
    resolution = example("super_resolution")
    small, bicubic = np.random.rand(1, 3, 6, 8), np.random.rand(1, 3, 12, 16)
    y = resolution.network(*map(nn.Variable.from_numpy_array, (small, bicubic)))
    y.forward()
    assert y.shape == bicubic.shape
    assert abs(y.d - bicubic).max() < 0.05


def test_coordinate_network(tmp_path: Path) -> None:
    result = run("coordinate_network", tmp_path, "--iterations", "80")
    assert result["final_loss"] < 0.5 * result["initial_loss"]
    assert result["network"] > 11
    assert_figures(tmp_path, "coordinate_network")


def test_the_integral_along_rays_is_that_of_the_true_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the true density and colours in place of the network's, the same pictures come out."""
    coordinates = example("coordinate_network")
    origins, directions = coordinates.rays(0.3, 0.5)
    points, steps = coordinates.along(origins, directions, None)
    density, colour = coordinates.scene(points.reshape(-1, 3))
    true_field = tuple(map(nn.Variable.from_numpy_array, (density[:, np.newaxis], colour)))
    monkeypatch.setattr(coordinates, "field", lambda points: true_field)
    colours, depths = coordinates.drawn(*map(nn.Variable.from_numpy_array, (points, steps)))
    nn.forward_all([colours, depths])
    truth = coordinates.picture(origins, directions)
    assert np.sqrt(np.mean((colours.d - truth) ** 2)) < 0.12, "32 points instead of 300"
    hit = truth.sum(axis=1) > 0.5
    assert 1.5 < depths.d[hit].mean() < 4.5
    assert truth.reshape(32, 32, 3)[16, 16].argmax() == 0, "the red ball is in the middle"


def test_deployment(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    result = run("deployment", tmp_path, "--iterations", "250")
    assert result["passed"] and result["nnabla"] < 5
    assert result["onnxruntime_difference"] < 1e-3
    if shutil.which("gcc") or shutil.which("cc"):
        assert result["c_difference"] < 1e-3
    assert_figures(tmp_path, "deployment")


def test_classification_with_trainer(tmp_path: Path) -> None:
    result = run("classification_with_trainer", tmp_path, "--iterations", "150")
    assert result["error"] < 15 and result["loss_ratio"] < 0.2
    assert (result["stopped"], result["updates"]) == ("iterations", 150)
    result = run("classification_with_trainer", tmp_path, "--iterations", "175", "--resume")
    assert result["updates"] == 175 and result["error"] < 15
    assert_figures(tmp_path, "classification_with_trainer")
    assert len(np.loadtxt(tmp_path / "trainer" / "training-error.series.txt")) == 17


def test_mixed_precision(tmp_path: Path) -> None:
    result = run("mixed_precision", tmp_path, "--iterations", "120")
    assert result["gradient_scaled_by_1"] == 0
    assert result["gradient_scaled_by_1024"] == pytest.approx(1e-9, rel=0.05)
    for mode in ("float", "half, fixed scale", "half, dynamic scale"):
        assert result[f"{mode} loss"] < 0.4 * result[f"{mode} initial_loss"]
        assert result[f"{mode} parameters_in_float32"] == 1
    assert result["half, fixed scale loss"] == pytest.approx(result["float loss"], rel=0.2)
    assert result["largest_scale"] >= 16
    assert_figures(tmp_path, "mixed_precision")


def test_graph_converters(tmp_path: Path) -> None:
    small = ["--iterations", "2", "--size", "32", "--maps", "4", "--classes", "10", "--batch", "2"]
    result = run("graph_converters", tmp_path, *small)
    built = result["as built"]["functions"]
    folded = result["folded"]["functions"]
    # A stem, 16 blocks of three layers, and four layers past them.
    assert built["Convolution"] == built["BatchNormalization"] == 1 + 16 * 3 + 4
    assert "BatchNormalization" not in folded
    assert folded["Convolution"] == built["Convolution"]
    assert result["self-folded"]["functions"]["Mul2"] == built["BatchNormalization"]
    assert result["channels last"]["functions"]["Convolution"] == built["Convolution"]
    assert result["leaky"]["functions"]["LeakyReLU"] == built["ReLU"] == 49
    for name in ("folded", "self-folded", "channels last"):
        assert result[name]["difference"] < 1e-4, name
    assert result["leaky"]["difference"] > 1e-3
    assert_figures(tmp_path, "graph_converters")


def test_function_list_and_converter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    result = run("function_list_and_converter", tmp_path)
    names = [set(result[key].split()) for key in ("functions", "functions NNB", "functions ONNX")]
    assert "Convolution" in names[0] & names[1] & names[2]
    assert len(names[0]) > len(names[2]) > len(names[1])
    for kind in ("Affine", "Convolution", "ELU", "MaxPooling", "ReLU", "Softmax"):
        assert kind in result["model"] and kind in result["model NNB"]
    assert len(result["files"]) == 2
    assert result["difference"] < 1e-5
    assert "LeNet" in result["pieces"] or "lenet" in result["pieces"]
    assert result["onnx_bytes"] > 1000
    assert "-> ELU in NumPy ->" in capsys.readouterr().out


def test_fine_tuning(tmp_path: Path) -> None:
    options = ["--pretraining-iterations", "250", "--iterations", "60"]
    result = run("fine_tuning", tmp_path, *options)
    assert result["pretrained"] < 0.75, "by chance 92 % would be wrong"
    assert result["fine-tuned"] < result["from scratch"]
    assert result["classifier alone"] < 0.7, "by chance 75 % would be wrong"
    assert_figures(tmp_path, "fine_tuning")


def test_fixed_parameters_of_fine_tuning_stay(tmp_path: Path) -> None:
    tuning = example("fine_tuning")
    tuning.save_pretrained(tmp_path / "shapes.nnp")
    nn.clear_parameters()
    x = nn.Variable((4, 3, tuning.SIZE, tuning.SIZE))
    h = tuning.features(tuning.NnpLoader(str(tmp_path / "shapes.nnp")), x, training=False, fixed=True)
    assert h.shape == (4, 64)
    assert list(nn.get_parameters()) == []
    assert len(nn.get_parameters(grad_only=False)) == 3 * 5 + 2


def test_the_page_of_examples_lists_them_all() -> None:
    """Each script has a row, and each row a script and a picture."""
    root = Path(__file__).resolve().parents[1]
    page = (root / "docs" / "examples.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"\| `python (examples/[\w/]+\.py)", page))
    programs = {
        str(path.relative_to(root))
        for path in (root / "examples").rglob("*.py")
        if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    assert listed == programs
