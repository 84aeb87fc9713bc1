"""The arguments of every subcommand, without the code behind them.

The options are those of NNabla 1.39's command line; `view` and `check` are this package's own.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any

# What each subcommand calls, once it is there: a function of the parsed arguments that returns whether it succeeded.
COMMANDS = {
    "train": "nnabla.cli.train:train_command",
    "infer": "nnabla.cli.infer:infer_command",
    "forward": "nnabla.cli.forward:forward_command",
    "profile": "nnabla.cli.profile:profile_command",
    "compare_with_cpu": "nnabla.cli.compare_with_cpu:compare_with_cpu_command",
    "encode_param": "nnabla.cli.parameters:encode_param_command",
    "decode_param": "nnabla.cli.parameters:decode_param_command",
    "conv_dataset": "nnabla.cli.conv_dataset:conv_dataset_command",
    "create_image_classification_dataset": "nnabla.cli.classification_data:create_image_classification_dataset_command",
    "create_object_detection_dataset": "nnabla.cli.detection_data:create_object_detection_dataset_command",
    "upload": "nnabla.cli.uploader:upload_command",
    "create_tar": "nnabla.cli.uploader:create_tar_command",
    "dump": "nnabla.cli.dump:dump_command",
    "plot_series": "nnabla.cli.plot:plot_series_command",
    "plot_timer": "nnabla.cli.plot:plot_timer_command",
    "draw_graph": "nnabla.cli.draw_graph:draw_graph_command",
    "view": "nnabla.cli.view:view_command",
    "check": "nnabla.cli.check:check_command",
    "convert": "nnabla.cli.convert:convert_command",
    "nnb_template": "nnabla.cli.nnb_template:nnb_template_command",
    "function_info": "nnabla.cli.function_info:function_info_command",
    "optimize": "nnabla.cli.optimize:optimization_command",
    "version": "nnabla.cli.version:version_command",
}


class Command:
    """A function of the parsed arguments that is imported when it is called.

    Args:
        path: ``"module:function"``.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, args: argparse.Namespace) -> Any:
        module, _, name = self.path.partition(":")
        return getattr(importlib.import_module(module), name)(args)


def add_commands(subparsers: Any) -> None:
    """Add all subcommands to what `argparse.ArgumentParser.add_subparsers` returned."""
    for name in COMMANDS:
        ARGUMENTS[name](subparsers)


def _parser(subparsers: Any, name: str, help: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=help, description=f"{help}.")
    if name in COMMANDS:
        parser.set_defaults(func=Command(COMMANDS[name]))
    return parser


def _add_import_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "-I",
        "--import-format",
        type=str,
        default="NNP",
        help="format of the input (default: NNP, or what the extension says)",
    )
    add("-E", "--nnp-import-executor-index", type=int, help="number of the executor; default: all networks")
    add(
        "--nnp-exclude-preprocess",
        action="store_true",
        help="accepted; nothing in model files says which functions only prepare inputs",
    )
    add("--nnp-no-expand-network", action="store_true", help="keep repeats and recurrences as they are")


def _add_plot_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("inputs", nargs="+", type=str, help="files that monitors wrote")
    add("-l", "--label", action="append", help="of each curve, in order")
    add("-o", "--outfile", type=str, default="", help="picture to write instead of a window")
    add("-x", "--xlabel", default="", help="of the axis")
    add("-y", "--ylabel", default="", help="of the axis")
    add("-t", "--title", default="", help="of the picture")
    add("-T", "--ylim-max", type=float, help="upper end of the y axis")
    add("-B", "--ylim-min", type=float, help="lower end of the y axis")
    add("-R", "--xlim-max", type=float, help="right end of the x axis")
    add("-L", "--xlim-min", type=float, help="left end of the x axis")


def train(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "train", "Train what a training configuration describes")
    add = parser.add_argument
    add("-r", "--resume", action="store_true", help="go on from the last results in OUTDIR")
    add("-c", "--config", required=True, help="training configuration (.nntxt, .nnp, ...)")
    add("-p", "--param", help="parameter file that replaces the parameters of the configuration")
    add("-o", "--outdir", required=True, help="folder for results; it must exist")
    add("-O", "--enable-ooc", action="store_true", help="swap GPU memory out while training; changes nothing on a CPU")
    add("-m", "--ooc-gpu-memory-size", metavar="SIZE", help="GPU memory that may be used, such as 4G or 1e9 bytes")
    add("-C", "--context", help="cpu, cudnn or cudnn:DEVICE; default: as the configuration says")
    add("-w", "--ooc-window-length", metavar="SIZE", help="memory of functions that are looked ahead")
    return parser


def infer(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "infer", "Compute outputs for binary inputs")
    add = parser.add_argument
    add("-c", "--config", required=True, help="model with an executor")
    add("-o", "--output", help="prefix of the output files; PREFIX_0.bin, PREFIX_1.bin, ... hold a sample each")
    add("-p", "--param", help="parameter file")
    add("-t", "--data_type", default="float32", help="of the input files: uint8, int32 or float32 (default)")
    add(
        "-b",
        "--batch_size",
        type=int,
        default=1,
        help="number of samples; -1 for the batch size of the model (default: 1)",
    )
    add("inputs", nargs="+", help="one raw binary file for each input")
    return parser


def forward(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "forward", "Compute outputs for a data set")
    add = parser.add_argument
    add("-c", "--config", required=True, help="model with an executor")
    add("-p", "--param", help="parameter file")
    add("-d", "--dataset", help="data set (CSV); default: that of the configuration")
    add("-o", "--outdir", required=True, help="folder for results; it must exist")
    add("-f", "--outfile", default="output_result.csv", help="name of the table in OUTDIR (default: output_result.csv)")
    add("--replace_path", action="store_true", help="make paths in the data set absolute")
    add("--result_outdir", type=str, default="", help="folder for the files that cells name; default: beside the table")
    add("-b", "--batch_size", type=int, default=-1, help="default -1: that of the model")
    return parser


def encode_param(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "encode_param", "Make a parameter file of a folder of texts")
    add = parser.add_argument
    add("-i", "--indir", required=True, help="folder that decode_param wrote")
    add("-p", "--param", help="file to write (default: parameters.h5)")
    return parser


def decode_param(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "decode_param", "Write parameters as texts")
    add = parser.add_argument
    add("-p", "--param", help="parameter file (default: parameters.h5)")
    add("-o", "--outdir", required=True, help="folder to write to")
    return parser


def profile(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "profile", "Measure the functions of a training configuration")
    add = parser.add_argument
    add("-c", "--config", required=True, help="training configuration")
    add("-o", "--outdir", required=True, help="folder for results; it must exist")
    return parser


def conv_dataset(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "conv_dataset", "Convert a CSV data set to a cache, or a cache to another one")
    add = parser.add_argument
    add("-F", "--force", action="store_true", help="replace the cache that is there")
    add("-S", "--shuffle", action="store_true", help="shuffle the samples")
    add("-N", "--normalize", action="store_true", help="divide image values by 255")
    add("-t", "--num_of_threads", type=int, help="threads that read files (default: as configured, 10)")
    add("source", help="CSV file, or folder of a cache; a path or an address")
    add("destination", help="folder of the new cache")
    return parser


def compare_with_cpu(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "compare_with_cpu", "Compare two configurations, function by function")
    add = parser.add_argument
    add("-c", "--config", required=True, help="training configuration")
    add("-c2", "--config2", required=True, help="the same for another context")
    add("-o", "--outdir", required=True, help="folder for results; it must exist")
    return parser


def create_image_classification_dataset(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(
        subparsers,
        "create_image_classification_dataset",
        "Make a data set of a folder of images, a folder for each class",
    )
    add = parser.add_argument
    add("-i", "--sourcedir", required=True, help="folder with a folder of images for each class")
    add("-o", "--outdir", required=True, help="folder to write to")
    add("-c", "--channel", required=True, help="channels: 1 or 3")
    add("-w", "--width", required=True, help="in pixels")
    add("-g", "--height", required=True, help="in pixels")
    add("-m", "--mode", required=True, help="how images get the size: trimming or padding")
    add("-s", "--shuffle", required=True, help="true or false")
    add("-f1", "--file1", required=True, help="name of the first CSV file")
    add("-r1", "--ratio1", help="its share in percent; what -r2 leaves")
    add("-f2", "--file2", help="name of the second CSV file")
    add("-r2", "--ratio2", help="its share in percent, of the last rows (default: what -r1 leaves)")
    return parser


def create_object_detection_dataset(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "create_object_detection_dataset", "Make a data set of images with labelled boxes")
    add = parser.add_argument
    add("-i", "--sourcedir", required=True, help="folder of images with a text file of boxes for each")
    add("-o", "--outdir", required=True, help="folder to write to")
    add("-n", "--num_class", required=True, help="number of classes")
    add("-c", "--channel", required=True, help="channels: 1 or 3")
    add("-w", "--width", required=True, help="in pixels")
    add("-g", "--height", required=True, help="in pixels")
    add("-a", "--num_anchor", required=True, help="number of anchors")
    add("-d", "--grid_size", required=True, help="pixels of a grid cell")
    add("-m", "--mode", required=True, help="how images get the size: trimming or padding")
    add("-s", "--shuffle", required=True, help="true or false")
    add("-f1", "--file1", required=True, help="name of the first CSV file")
    add("-r1", "--ratio1", help="its share in percent; what -r2 leaves")
    add("-f2", "--file2", help="name of the second CSV file")
    add("-r2", "--ratio2", help="its share in percent, of the last rows (default: what -r1 leaves)")
    return parser


def upload(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "upload", "Send a data set to Neural Network Console")
    add = parser.add_argument
    add("-e", "--endpoint", type=str, help="address of the service")
    add("token", help="that the service gave for the upload")
    add("filename", help="CSV file, or tar file that create_tar wrote")
    return parser


def create_tar(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "create_tar", "Pack a data set for an upload")
    add = parser.add_argument
    add("source", help="CSV file")
    add("destination", help="tar file to write")
    return parser


def dump(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "dump", "Show what a model holds")
    add = parser.add_argument
    add("-v", "--dump-verbose", action="store_true", help="show everything")
    add("-F", "--dump-functions", action="store_true", help="show the functions")
    add("-V", "--dump-variables", action="store_true", help="show the variables")
    add("--dump-limit", type=int, default=-1, help="at most so many functions; -1 for all")
    add("-n", "--dump-variable-name", type=str, help="show this variable")
    _add_import_options(parser)
    add("files", nargs="+", type=str, help="model files")
    return parser


def nnb_template(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "nnb_template", "Write a template of settings for NNB files")
    add = parser.add_argument
    _add_import_options(parser)
    add("-b", "--batch-size", type=int, default=-1, help="default -1: that of the model")
    add(
        "-T",
        "--default-variable-type",
        nargs=1,
        type=str,
        default=["FLOAT32"],
        help="FLOAT32, FIXED16[_P], FIXED8[_P] or SIGN",
    )
    add("--api", type=int, default=-1, help="API level; -1 for the default")
    add("files", nargs="+", type=str, help="model files, then the file to write")
    return parser


def convert(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "convert", "Convert models between formats")
    add = parser.add_argument
    add("--outputs", type=str, help="names of the outputs, TensorFlow only")
    add("--inputs", type=str, help="names of the inputs, TensorFlow only")
    _add_import_options(parser)
    add(
        "-O",
        "--export-format",
        type=str,
        default="NNP",
        help="format of the output (default: NNP, or what the extension says)",
    )
    add("-f", "--force", action="store_true", help="overwrite the output")
    add("-b", "--batch-size", type=int, default=1, help="default 1; -1 for that of the model, which ONNX leaves open")
    add("-S", "--split", type=str, help="parts FROM-TO[,FROM-TO...] of the network to write; needs -E")
    add(
        "-d",
        "--define_version",
        type=str,
        help="ONNX: opset_N, opset_snpe or opset_tensorrt, default opset_17; NNB: nnb_2 (default) or nnb_3",
    )
    add("--enable-optimize-pb", action="store_true", help="simplify a frozen TensorFlow graph")
    add("--channel-last", action="store_true", help="TFLite: images of inputs and outputs have the channels last")
    add("--quantization", action="store_true", help="TFLite: compute with 8-bit integers; needs --dataset")
    add("--dataset", type=str, help="representative inputs for --quantization: .npy, or .npz for several")
    add("--ir_version", type=int, default=-1, help="ONNX: version of the file format")
    add("-c", "--config", type=str, help="list of the functions to support; others are left to the host")
    add("--nnp-parameter-h5", action="store_true", help="NNP: parameters as HDF5")
    add("--nnp-parameter-nntxt", action="store_true", help="NNP: parameters in the model itself")
    add("--nnp-exclude-parameter", action="store_true", help="NNP: no parameters")
    add("--nnp-version", type=str, help="NNP: release that is to read it")
    add(
        "-T",
        "--default-variable-type",
        nargs=1,
        type=str,
        default=["FLOAT32"],
        help="NNB: FLOAT32, FIXED16[_P], FIXED8[_P] or SIGN; TFLite: FLOAT32 or FLOAT16",
    )
    add("-s", "--settings", nargs=1, type=str, help="NNB: settings made from nnb_template")
    add("--api", type=int, default=-1, help="NNB: API level; default 44, that of the released runtime")
    add("--self-contained", action="store_true", help="CSRC: with all kernels, without the runtime's library")
    add("files", nargs="+", type=str, help="input files, then the output")
    return parser


def function_info(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "function_info", "List functions, of the package or of models")
    add = parser.add_argument
    add("-o", "--output", help="file to write instead of the terminal")
    add("-f", "--all_support", help="those that NNB or ONNX supports")
    add("-c", "--config", help="file of settings of the target")
    add("-x", "--exclude", default=[], action="append", help="a function to leave out")
    add("-t", "--target", action="store_true", help="with models: show what the target of -f computes them with")
    add("-q", "--query", help="show one function")
    add("--nnp-no-expand-network", action="store_true", help="keep repeats and recurrences as they are")
    add("--api", type=int, default=0, help="functions up to this API level; 0 for all")
    add("files", nargs="*", type=str, help="models")
    return parser


def optimize(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "optimize", "Simplify a frozen TensorFlow graph or an NNP model")
    add = parser.add_argument
    add("input_file", nargs=1, help=".pb or .nnp")
    add("output_file", nargs=1, help="to write")
    return parser


def add_plot_any_command(
    subparsers: Any,
    subcommand: str,
    help: str,
    description: str,
    plot_command: Callable[[argparse.Namespace], Any],
    ylabel_default: str = "",
) -> argparse.ArgumentParser:
    """Add a subcommand that draws files.

    Args:
        subparsers: what `argparse.ArgumentParser.add_subparsers` returned.
        subcommand, help, description: its name, and what help says.
        plot_command: what it calls.
        ylabel_default: of the y axis, unless the user gives one.
    """
    parser: argparse.ArgumentParser = subparsers.add_parser(subcommand, help=help, description=description)
    _add_plot_options(parser)
    parser.set_defaults(func=plot_command, ylabel=ylabel_default)
    return parser


def plot_series(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "plot_series", "Draw what MonitorSeries wrote")
    _add_plot_options(parser)
    return parser


def plot_timer(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "plot_timer", "Draw what MonitorTimeElapsed wrote")
    add = parser.add_argument
    _add_plot_options(parser)
    add("-e", "--elapsed", action="store_true", help="the time since the start, not for each interval")
    add("-u", "--time-unit", default="s", help="s, m, h or d")
    return parser


def draw_graph(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "draw_graph", "Draw the networks of a model")
    add = parser.add_argument
    add("-o", "--output-dir", type=str, default="draw_out", help="folder for the pictures (default: draw_out)")
    add("-n", "--network", action="append", help="of this name only")
    add("-f", "--format", default="png", help="png (default), svg or pdf")
    add("input", type=str, help="model")
    return parser


def view(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "view", "Open a model in Netron, in the browser")
    add = parser.add_argument
    add("--port", type=int, default=0, help="of the local server; 0 for a free one")
    add("file", help="model")
    return parser


def check(subparsers: Any) -> argparse.ArgumentParser:
    parser = _parser(subparsers, "check", "Say what a file holds, and whether all of it would run")
    add = parser.add_argument
    add("-t", "--target", help="nnb or spresense: whether it runs there, with what memory")
    add("file", help="model, parameter or NNB file")
    return parser


def version(subparsers: Any) -> argparse.ArgumentParser:
    return _parser(subparsers, "version", "Show the version")


ARGUMENTS: dict[str, Callable[[Any], argparse.ArgumentParser]] = {
    "train": train,
    "infer": infer,
    "forward": forward,
    "encode_param": encode_param,
    "decode_param": decode_param,
    "profile": profile,
    "conv_dataset": conv_dataset,
    "compare_with_cpu": compare_with_cpu,
    "create_image_classification_dataset": create_image_classification_dataset,
    "create_object_detection_dataset": create_object_detection_dataset,
    "upload": upload,
    "create_tar": create_tar,
    "dump": dump,
    "nnb_template": nnb_template,
    "convert": convert,
    "function_info": function_info,
    "optimize": optimize,
    "plot_series": plot_series,
    "plot_timer": plot_timer,
    "draw_graph": draw_graph,
    "view": view,
    "check": check,
    "version": version,
}
