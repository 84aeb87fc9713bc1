"""The tutorials and the demonstration, with fewer iterations, must learn and leave their files behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nnabla as nn

from .example_runs import EXAMPLES, assert_figures, example, global_state  # noqa: F401


def test_digits_are_complete() -> None:
    digits = example("digits").load_digits()
    assert len(digits) == 1797
    assert digits.images.shape == (1797, 1, 8, 8)
    assert digits.images.dtype == np.float32
    assert (digits.images.min(), digits.images.max()) == (0, 16)
    assert np.bincount(digits.labels.ravel()).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_minibatches_visit_every_digit_once_in_an_epoch() -> None:
    digits = example("digits")
    few = digits.Digits(np.arange(12, dtype=np.float32).reshape(12, 1, 1, 1), np.arange(12).reshape(12, 1))
    batches = digits.minibatches(few, batch_size=4, seed=3)
    drawn = [tuple(array.copy() for array in batches.next()) for _ in range(3)]
    batches.close()
    images, labels = (np.concatenate(arrays) for arrays in zip(*drawn, strict=True))
    assert images.shape == (12, 1, 1, 1)
    assert np.array_equal(images.ravel(), labels.ravel()), "an image came with another's label"
    assert sorted(labels.ravel()) == list(range(12))
    assert labels.ravel().tolist() != list(range(12)), "not shuffled"


def test_siamese_pairs_match_exactly_where_labels_do() -> None:
    digits = example("digits")
    labels = np.arange(40).reshape(40, 1) % 4
    few = digits.Digits(labels.reshape(40, 1, 1, 1).astype(np.float32), labels)
    batches = digits.minibatches(few, batch_size=20)
    pairs = digits.siamese_pairs(batches)
    matches = 0
    for _ in range(4):
        left, right, same = next(pairs)
        assert same.shape == (20,)
        assert np.array_equal(same == 1, left.ravel() == right.ravel())
        matches += same.sum()
    batches.close()
    assert 0 < matches < 80


def test_logistic_regression(tmp_path: Path) -> None:
    result = example("by_examples_logistic_regression").main(["--output", str(tmp_path), "--iterations", "300"])
    assert result["final_loss"] < result["initial_loss"] / 4
    assert result["error"] < 0.3
    assert result["dynamic_loss"] < result["initial_loss"] / 4
    assert 0 < result["dynamic_gradient_norm"] < 1e3
    names = ("batch", "loss", "predicted")
    assert_figures(tmp_path, *(f"logistic_regression_{name}" for name in names))


def test_mlp(tmp_path: Path) -> None:
    result = example("by_examples_mlp").main(["--output", str(tmp_path), "--iterations", "500"])
    assert 1.8 < result["initial_loss"] < 3.0, "ten classes, so about log(10)"
    assert result["final_loss"] < 0.6 * result["initial_loss"]
    assert result["error"] < 0.35
    assert_figures(tmp_path, "mlp_loss", "mlp_responses")


def test_cnn(tmp_path: Path) -> None:
    result = example("by_examples_cnn").main(["--output", str(tmp_path), "--iterations", "400"])
    assert result["final_loss"] < result["initial_loss"] / 4
    assert result["error"] < 0.1
    assert_figures(tmp_path, "cnn_loss", "cnn_responses")
    nn.clear_parameters()
    nn.load_parameters(result["parameters"])
    shapes = {name: parameter.shape for name, parameter in nn.get_parameters(grad_only=False).items()}
    assert shapes["cnn/conv1/conv/W"] == (4, 1, 3, 3)
    assert shapes["cnn/conv2/bn/mean"] == (1, 8, 1, 1)
    assert shapes["cnn/classifier/affine/W"] == (32, 10)
    assert len(shapes) == 16


def test_elman_rnn(tmp_path: Path) -> None:
    result = example("by_examples_elman_rnn").main(["--output", str(tmp_path), "--iterations", "400"])
    assert result["parameters"] == 5, "four time steps must share one set of weights"
    assert result["final_loss"] < result["initial_loss"] / 3
    assert result["error"] < 0.2
    assert_figures(tmp_path, "elman_rnn_loss", "elman_rnn_responses")


def test_elman_rnn_reads_quarters_in_order() -> None:
    image = np.arange(64).reshape(1, 1, 8, 8)
    corners = [quarter[0, 0, 0, 0] for quarter in example("by_examples_elman_rnn").quarters(image)]
    assert corners == [0, 4, 32, 36]


def test_siamese_pretrains_where_needed(tmp_path: Path) -> None:
    options = ["--output", str(tmp_path), "--iterations", "300", "--pretraining-iterations", "300"]
    result = example("by_examples_siamese").main(options)
    assert (tmp_path / "cnn_parameters.h5").stat().st_size > 0
    assert result["final_loss"] < 0.8 * result["initial_loss"]
    assert result["separation_after"] > 1.2 * result["separation_before"]
    assert result["frozen_weights_moved"] == 0
    assert_figures(tmp_path, "siamese_loss", "siamese_embedding", "cnn_loss")


def test_siamese_loss_agrees_with_the_formula() -> None:
    random = np.random.RandomState(5)
    left, right = random.randn(2, 6, 2).astype(np.float32) / 2
    same = np.array([0, 1, 0, 1, 0, 0], dtype=np.float32)
    variables = [nn.Variable.from_numpy_array(array) for array in (left, right, same)]
    loss = example("by_examples_siamese").contrastive_loss(*variables)
    loss.forward()
    squared = ((left - right) ** 2).sum(axis=1)
    apart = np.maximum(1 - np.sqrt(squared + 1e-4), 0) ** 2
    assert (apart[same == 0] > 0).any()
    assert float(loss.d) == pytest.approx(np.where(same == 1, squared, apart).mean(), rel=1e-5)


def test_siamese_class_separation_of_known_points() -> None:
    points = np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 1.0]])
    separation = example("by_examples_siamese").class_separation(points, np.array([0, 0, 1, 1]))
    assert separation == pytest.approx((4 + np.sqrt(17)) / 2)


def test_python_api(tmp_path: Path) -> None:
    result = example("python_api").main(["--output", str(tmp_path), "--iterations", "800"])
    assert result["sigmoid_sum_error"] < 1e-4
    assert result["sigmoid_gradient_error"] < 1e-6
    assert result["affine_weight_gradient_error"] < 1e-5
    assert result["affine_bias_gradient_error"] < 1e-5
    assert result["unneeded_gradient"] == 0
    assert (result["parameters"], result["parameters_in_foo"], result["parameters_left"]) == (6, 4, 2)
    assert result["by_hand_gain"] > 0
    assert result["solver_gain"] > 0
    assert result["in_place_sum"] == 2 + 3 + 4 + 5
    assert result["final_loss"] < 0.01 < result["initial_loss"]
    assert result["mean_error"] < 0.1
    assert result["cleared"]
    assert result["kept"]
    assert result["reloaded_same"]
    assert result["loaded_twice"] == 20
    assert_figures(tmp_path, "vector_length")


def test_static_and_dynamic_graph_agree(tmp_path: Path) -> None:
    options = ["--output", str(tmp_path), "--iterations", "3", "--batch-size", "4"]
    result = example("static_vs_dynamic").main(options)
    assert result["static_ms"] > 0
    assert result["dynamic_ms"] > 0
    assert result["dynamic_initial_loss"] == pytest.approx(result["static_initial_loss"], rel=1e-5)
    # Two updates by Adam in between, so the first gradients agreed as well.
    assert result["dynamic_final_loss"] == pytest.approx(result["static_final_loss"], rel=1e-2)
    assert result["static_final_loss"] != result["static_initial_loss"]
    assert_figures(tmp_path, "static_vs_dynamic")


def test_debugging(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--output", str(tmp_path), "--iterations", "2", "--size", "16", "--maps", "4"]
    result = example("debugging").main(options)
    printed = capsys.readouterr().out
    assert result["functions"][0] == "Convolution(4, 4, 16, 16)" and result["functions"][-1] == "Affine(4, 10)"
    assert len(result["functions"]) == 3 + 4 * (7 + 1) + 3 * 2 + 2
    assert result["parameters"] == sum(v.size for v in nn.get_parameters(grad_only=False).values())
    assert printed.count("block3/second/bn/BatchNormalization(BatchNormalization)\n\tDepth = ") == 1
    assert printed.count("\t\tMed:  [") == 4 * len(result["functions"])
    assert [stat.n_run for stat in result["graph_profiler"]["forward"]] == [2] * (len(result["functions"]) + 2)
    assert {len(v) for v in result["time_profiler"].get_all_results()["backward"].values()} == {3}
    assert result["profile"].rows("layer")[0].seconds > 0
    assert result["clean"] == ""
    assert result["dirty"].startswith("The 0th output of the function 'Convolution' (rank: 1) has nan or inf")
    names = {path.name.partition(".")[0] for path in tmp_path.iterdir()}
    assert names == {"network", "profile", "profile_detail", "profile_summary", "trace"}


def test_demonstration_learns_and_reloads(tmp_path: Path) -> None:
    options = ["--output", str(tmp_path), "--iterations", "250", "--max-error", "8"]
    result = example("train_digits").main(options)
    assert result["passed"]
    assert result["static_error"] < 8
    assert result["dynamic_error"] < 8
    assert result["reloaded_error"] == pytest.approx(result["static_error"], abs=1e-3)
    assert result["final_loss"] < result["initial_loss"] / 8
    assert result["loss_difference"] < 0.1
    assert_figures(tmp_path, "learning_curves", "predictions")
    assert (tmp_path / "digits_cnn.h5").read_bytes().startswith(b"\x89HDF")
    for mode in ("static", "dynamic"):
        tested = np.loadtxt(tmp_path / "monitor" / mode / "test-error.series.txt")
        assert tested[:, 0].tolist() == [49, 99, 149, 199, 249]
        assert tested[-1, 1] == pytest.approx(result[f"{mode}_error"], abs=1e-3)
        losses = np.loadtxt(tmp_path / "monitor" / mode / "training-loss.series.txt")
        assert losses.shape == (25, 2)
        assert losses[-1, 1] < losses[0, 1]
        timer = (tmp_path / "monitor" / mode / "training-time.timer.txt").read_text().splitlines()
        assert len(timer) == 5


def test_demonstration_fails_above_the_error_allowed(tmp_path: Path) -> None:
    options = ["--output", str(tmp_path), "--iterations", "2", "--width", "1"]
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / "train_digits.py"), *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    assert "FAILED: above the 3 % allowed" in run.stdout
    assert "100 %" in run.stderr, "no progress bar"


def test_demonstration_refuses_a_file_without_all_parameters(tmp_path: Path) -> None:
    train_digits = example("train_digits")
    split = train_digits.split_digits(seed=0)
    assert [len(part) for part in (split.train_labels, split.test_labels)] == [1347, 450]
    image = nn.Variable((2, 1, 8, 8))
    train_digits.digit_cnn(image, width=1)
    with nn.parameter_scope("cnn/classifier"):
        nn.clear_parameters()
    path = tmp_path / "incomplete.h5"
    nn.save_parameters(str(path))
    with pytest.raises(ValueError, match=r"incomplete\.h5 does not hold all parameters"):
        train_digits.reloaded_error(path, split, width=1)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("by_examples_mlp", ["--iterations", "0"], "must be at least 1, got 0"),
        ("by_examples_siamese", ["--pretraining-iterations", "many"], "expected an integer, got 'many'"),
        ("static_vs_dynamic", ["--iterations", "1"], "--iterations must be above 1"),
        ("train_digits", ["--width", "-3"], "must be at least 1, got -3"),
    ],
)
def test_wrong_options_are_named(
    name: str, options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        example(name).main([*options, "--output", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_image_folders(tmp_path: Path) -> None:
    """A folder of pictures becomes a data set, a cache, and a network, by the command line."""
    output = tmp_path / "with blanks"
    results = example("image_folders").main(["all", "--small", "--output", str(output)])
    errors = [results[f"train, {kind}"]["error"] for kind in ("data_iterator_csv_dataset", "data_iterator_cache")]
    assert max(errors) < 20, "of five classes, 80 % would be wrong by chance"
    assert len(list((output / "pictures").rglob("*.png"))) == 300
    rows = [(output / "dataset" / f"{name}.csv").read_text().splitlines() for name in ("train", "test")]
    assert [len(lines) for lines in rows] == [241, 61]
    index = (output / "train_cache" / "cache_index.csv").read_text().split()
    assert [line.split(",")[1] for line in index] == ["100", "100", "40"]


def test_steps_of_image_folders(tmp_path: Path) -> None:
    image_folders = example("image_folders")
    image_folders.generate(tmp_path / "pictures", 10, seed=1)
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == list(image_folders.CLASSES)
    for error in ("none.csv", "none"):
        with pytest.raises(FileNotFoundError, match=error):
            image_folders.main(["train", str(tmp_path / error), "--test", "t.csv"])
    with pytest.raises(RuntimeError, match="nnabla_cli conv_dataset failed"):
        image_folders.command("conv_dataset", str(tmp_path / "none.csv"), str(tmp_path / "cache"))


def test_quantization_aware_training(tmp_path: Path) -> None:
    options = ["--float-iterations", "250", "--recording-iterations", "100", "--iterations", "80"]
    result = example("quantization_aware_training").main(["--output", str(tmp_path), *options])
    assert result["passed"] and result["float"] < 8 and result["8 bits"] < result["float"] + 1
    assert result["onnxruntime"] == pytest.approx(result["8 bits"], abs=0.5)
    assert_figures(tmp_path, "quantization_aware_training")
