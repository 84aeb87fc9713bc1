"""The messages of NNabla's model files: parameters, networks, data, solvers and their states."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import FormatError
from .messages import Schema, Tables, parse, serialize

_LARGEST_NDIM = 64
"""Of NumPy's arrays."""

# Numbers and names are those of the format; NNabla numbers what it adds itself, so none can be chosen here.
_MESSAGES: Tables = {
    "Shape": [("dim", 1, "repeated int64")],
    "Communicator": [],
    "Context": [
        ("backends", 1, "repeated string"),
        ("array_class", 2, "string"),
        ("device_id", 3, "string"),
        ("backend", 4, "string"),
        ("compute_backend", 5, "string"),
    ],
    "NNablaProtoBuf": [
        ("version", 1, "string"),
        ("global_config", 2, "GlobalConfig"),
        ("training_config", 10, "TrainingConfig"),
        ("network", 100, "repeated Network"),
        ("parameter", 200, "repeated Parameter"),
        ("dataset", 300, "repeated Dataset"),
        ("optimizer", 400, "repeated Optimizer"),
        ("monitor", 500, "repeated Monitor"),
        ("executor", 600, "repeated Executor"),
    ],
    "GlobalConfig": [("default_context", 1, "Context")],
    "TrainingConfig": [
        ("max_epoch", 1, "int64"),
        ("iter_per_epoch", 2, "int64"),
        ("save_best", 100, "bool"),
        ("monitor_interval", 200, "int64"),
    ],
    "Network": [
        ("name", 1, "string"),
        ("batch_size", 10, "int64"),
        ("repeat_info", 11, "repeated RepeatInfo"),
        ("variable", 100, "repeated Variable"),
        ("function", 200, "repeated Function"),
    ],
    "RepeatInfo": [("id", 1, "string"), ("times", 2, "int64")],
    "RepeatParameter": [("repeat_id", 1, "string"), ("times", 2, "int64")],
    "RecurrentParameter": [("repeat_id", 1, "string"), ("length", 2, "int64"), ("axis", 3, "int64")],
    "Variable": [
        ("name", 1, "string"),
        ("type", 2, "string"),
        ("repeat_id", 3, "repeated string"),
        ("shape", 20, "Shape"),
        ("initializer", 100, "Initializer"),
    ],
    "Initializer": [("type", 2, "string"), ("multiplier", 10, "float")],
    "Parameter": [
        ("variable_name", 1, "string"),
        ("shape", 20, "Shape"),
        ("data", 100, "array"),
        ("need_grad", 101, "bool"),
    ],
    "Dataset": [
        ("name", 1, "string"),
        ("type", 2, "string"),
        ("uri", 10, "string"),
        ("batch_size", 20, "int64"),
        ("cache_dir", 30, "string"),
        ("overwrite_cache", 31, "bool"),
        ("create_cache_explicitly", 32, "bool"),
        ("shuffle", 100, "bool"),
        ("no_image_normalization", 101, "bool"),
        ("variable", 200, "repeated string"),
    ],
    "Optimizer": [
        ("name", 1, "string"),
        ("order", 3, "int64"),
        ("network_name", 10, "string"),
        ("dataset_name", 20, "repeated string"),
        ("solver", 30, "Solver"),
        ("update_interval", 40, "int64"),
        ("data_variable", 50, "repeated DataVariable"),
        ("generator_variable", 60, "repeated GeneratorVariable"),
        ("loss_variable", 70, "repeated LossVariable"),
        ("parameter_variable", 80, "repeated ParameterVariable"),
        ("start_iter", 100, "int64"),
        ("end_iter", 101, "int64"),
    ],
    "SolverStateParameter": [("shape", 20, "Shape"), ("data", 100, "array")],
    "SolverState": [("t", 1, "uint32"), ("state_parameter", 2, "map SolverStateParameter")],
    "Solver": [
        ("type", 2, "string"),
        ("context", 10, "Context"),
        ("weight_decay", 20, "float"),
        ("states", 40, "map SolverState"),
        ("sgd_param", 100, "oneof parameter SgdParameter"),
        ("sgdw_param", 101, "oneof parameter SgdWParameter"),
        ("momentum_param", 102, "oneof parameter MomentumParameter"),
        ("lars_param", 103, "oneof parameter LarsParameter"),
        ("nesterov_param", 104, "oneof parameter NesterovParameter"),
        ("adadelta_param", 105, "oneof parameter AdadeltaParameter"),
        ("adagrad_param", 106, "oneof parameter AdagradParameter"),
        ("adabelief_param", 107, "oneof parameter AdaBeliefParameter"),
        ("rmsprop_param", 108, "oneof parameter RMSpropParameter"),
        ("rmsprop_graves_param", 109, "oneof parameter RMSpropGravesParameter"),
        ("adam_param", 110, "oneof parameter AdamParameter"),
        ("adamw_param", 111, "oneof parameter AdamWParameter"),
        ("adabound_param", 112, "oneof parameter AdaBoundParameter"),
        ("adamax_param", 113, "oneof parameter AdamaxParameter"),
        ("amsgrad_param", 114, "oneof parameter AMSGRADParameter"),
        ("amsbound_param", 115, "oneof parameter AMSBoundParameter"),
        ("lamb_param", 116, "oneof parameter LambParameter"),
        ("lion_param", 117, "oneof parameter LionParameter"),
        ("lr_scheduler_type", 200, "string"),
        ("polynomial_scheduler_param", 210, "PolynomialSchedulerParameter"),
        ("cosine_scheduler_param", 211, "CosineSchedulerParameter"),
        ("exponential_scheduler_param", 212, "ExponentialSchedulerParameter"),
        ("step_scheduler_param", 213, "StepSchedulerParameter"),
        ("custom_scheduler_param", 299, "CustomSchedulerParameter"),
        ("lr_warmup_scheduler_type", 300, "string"),
        ("linear_warmup_scheduler_param", 310, "LinearWarmupSchedulerParameter"),
        ("lr_decay", 30, "float"),
        ("lr_decay_interval", 31, "int64"),
    ],
    "SgdParameter": [("lr", 1, "float")],
    "SgdWParameter": [("lr", 1, "float"), ("momentum", 2, "float"), ("wd", 3, "float")],
    "MomentumParameter": [("lr", 1, "float"), ("momentum", 2, "float")],
    "LarsParameter": [("lr", 1, "float"), ("momentum", 2, "float"), ("coefficient", 3, "float"), ("eps", 4, "float")],
    "NesterovParameter": [("lr", 1, "float"), ("momentum", 2, "float")],
    "AdadeltaParameter": [("lr", 1, "float"), ("decay", 2, "float"), ("eps", 3, "float")],
    "AdagradParameter": [("lr", 1, "float"), ("eps", 2, "float")],
    "AdaBeliefParameter": [
        ("alpha", 1, "float"),
        ("beta1", 2, "float"),
        ("beta2", 3, "float"),
        ("eps", 4, "float"),
        ("wd", 5, "float"),
        ("amsgrad", 6, "bool"),
        ("weight_decouple", 7, "bool"),
        ("fixed_decay", 8, "bool"),
        ("rectify", 9, "bool"),
    ],
    "RMSpropParameter": [("lr", 1, "float"), ("decay", 2, "float"), ("eps", 3, "float")],
    "RMSpropGravesParameter": [
        ("lr", 1, "float"),
        ("decay", 2, "float"),
        ("momentum", 3, "float"),
        ("eps", 4, "float"),
    ],
    "AdamParameter": [("alpha", 1, "float"), ("beta1", 2, "float"), ("beta2", 3, "float"), ("eps", 4, "float")],
    "AdamWParameter": [
        ("alpha", 1, "float"),
        ("beta1", 2, "float"),
        ("beta2", 3, "float"),
        ("eps", 4, "float"),
        ("wd", 5, "float"),
    ],
    "AdaBoundParameter": [
        ("alpha", 1, "float"),
        ("beta1", 2, "float"),
        ("beta2", 3, "float"),
        ("eps", 4, "float"),
        ("final_lr", 5, "float"),
        ("gamma", 6, "float"),
    ],
    "AdamaxParameter": [("alpha", 1, "float"), ("beta1", 2, "float"), ("beta2", 3, "float"), ("eps", 4, "float")],
    "AMSGRADParameter": [
        ("alpha", 1, "float"),
        ("beta1", 2, "float"),
        ("beta2", 3, "float"),
        ("eps", 4, "float"),
        ("bias_correction", 5, "bool"),
    ],
    "AMSBoundParameter": [
        ("alpha", 1, "float"),
        ("beta1", 2, "float"),
        ("beta2", 3, "float"),
        ("eps", 4, "float"),
        ("final_lr", 5, "float"),
        ("gamma", 6, "float"),
        ("bias_correction", 7, "bool"),
    ],
    "LambParameter": [
        ("eta", 1, "float"),
        ("beta1", 2, "float"),
        ("beta2", 3, "float"),
        ("gamma_l", 4, "float"),
        ("gamma_u", 5, "float"),
        ("eps", 6, "float"),
        ("bias_correction", 7, "bool"),
    ],
    "LionParameter": [("lr", 1, "float"), ("beta1", 2, "float"), ("beta2", 3, "float")],
    "PolynomialSchedulerParameter": [("max_iter", 1, "float"), ("power", 2, "float")],
    "CosineSchedulerParameter": [("max_iter", 1, "float")],
    "ExponentialSchedulerParameter": [("gamma", 1, "float"), ("iter_interval", 2, "int64")],
    "StepSchedulerParameter": [("gamma", 1, "float"), ("iter_steps", 2, "repeated int64")],
    "CustomSchedulerParameter": [
        ("max_iter", 1, "float"),
        ("network_name", 10, "string"),
        ("data_variable", 50, "repeated DataVariable"),
        ("output_variable", 80, "repeated OutputVariable"),
    ],
    "LinearWarmupSchedulerParameter": [("warmup_iter", 1, "int64")],
    "DataVariable": [("variable_name", 1, "string"), ("data_name", 3, "string")],
    "GeneratorVariable": [("variable_name", 1, "string"), ("type", 2, "string"), ("multiplier", 3, "float")],
    "LossVariable": [("variable_name", 1, "string")],
    "ParameterVariable": [("variable_name", 1, "string"), ("learning_rate_multiplier", 2, "float")],
    "Monitor": [
        ("name", 1, "string"),
        ("network_name", 10, "string"),
        ("dataset_name", 20, "repeated string"),
        ("data_variable", 50, "repeated DataVariable"),
        ("generator_variable", 60, "repeated GeneratorVariable"),
        ("monitor_variable", 70, "repeated MonitorVariable"),
    ],
    "MonitorVariable": [
        ("variable_name", 1, "string"),
        ("type", 2, "string"),
        ("data_name", 3, "string"),
        ("multiplier", 100, "float"),
    ],
    "Executor": [
        ("name", 1, "string"),
        ("network_name", 10, "string"),
        ("num_evaluations", 20, "int64"),
        ("repeat_evaluation_type", 21, "string"),
        ("need_back_propagation", 30, "bool"),
        ("data_variable", 50, "repeated DataVariable"),
        ("generator_variable", 60, "repeated GeneratorVariable"),
        ("loss_variable", 70, "repeated LossVariable"),
        ("output_variable", 80, "repeated OutputVariable"),
        ("parameter_variable", 90, "repeated ParameterVariable"),
        ("no_image_normalization", 101, "bool"),
    ],
    "OutputVariable": [("variable_name", 1, "string"), ("type", 2, "string"), ("data_name", 3, "string")],
    "Function": [
        ("name", 1, "string"),
        ("type", 2, "string"),
        ("repeat_id", 3, "repeated string"),
        ("context", 10, "Context"),
        ("input", 20, "repeated string"),
        ("output", 30, "repeated string"),
        ("repeat_param", 100, "RepeatParameter"),
        ("recurrent_param", 101, "RecurrentParameter"),
    ],
}

MODEL = Schema(_MESSAGES)
"""What a model file is made of; the file as a whole is the message ``NNablaProtoBuf``.

`nnabla.operators` adds the messages with the arguments of functions, and their fields in ``Function``.
"""


def message_class(name: str) -> Any:
    """The class of a message, or another name of the module `nnabla.utils.nnabla_pb2`.

    Raises:
        AttributeError: there is no message of that name.
    """
    if name == "DESCRIPTOR":
        return MODEL.descriptor
    if name not in MODEL.tables:
        raise AttributeError(f"module 'nnabla.utils.nnabla_pb2' has no attribute {name!r}")
    return MODEL.message(name)


def put_array(message: Any, array: np.ndarray) -> None:
    """Put the shape and the numbers, as float32, into an empty packed message `Parameter` or `SolverStateParameter`."""
    message.shape.dim.extend(array.shape)
    # A scalar has a shape, too, without dimensions.
    message.shape.SetInParent()
    if array.size:
        message.data.append(array.astype("<f4", copy=False).tobytes())


def get_array(message: Any, where: str) -> np.ndarray:
    """The array in a packed message `Parameter` or `SolverStateParameter`.

    Raises:
        FormatError: `where`, and that the numbers do not fill the shape.
    """
    shape = tuple(message.shape.dim)
    if len(shape) > _LARGEST_NDIM or any(dim < 0 for dim in shape):
        raise FormatError(f"{where} has {len(shape)} dimensions: {shape[:_LARGEST_NDIM]}")
    pieces = message.data
    values = _numbers(pieces[0] if len(pieces) == 1 else b"".join(pieces), where)
    if math.prod(shape) != values.size:
        # Some writers put each number into a field of its own, which only the other class reads.
        other = MODEL.message(message.DESCRIPTOR.name)()
        parse(other, serialize(message, where), where)
        values = np.array(other.data, np.float32)
    return shaped(values, shape, where)


def shaped(values: np.ndarray, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Numbers in the shape that a message says.

    Raises:
        FormatError: `where`, and that the numbers do not fill the shape.
    """
    if len(shape) > _LARGEST_NDIM or any(dim < 0 for dim in shape):
        raise FormatError(f"{where} has {len(shape)} dimensions: {shape[:_LARGEST_NDIM]}")
    if math.prod(shape) != values.size:
        raise FormatError(f"{where} has {values.size} numbers, not of shape {shape}")
    try:
        return values.reshape(shape)
    except ValueError as error:
        raise FormatError(f"{where} has shape {shape}: {error}") from error


def _numbers(data: bytes, where: str) -> np.ndarray:
    if len(data) % 4:
        raise FormatError(f"{where} has {len(data)} bytes, which are not float32 numbers")
    return np.frombuffer(data, "<f4").astype(np.float32)
