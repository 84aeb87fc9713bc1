"""Numbers of functions in NNB files: of each function with its arguments, since which API level.

Facts of NNabla 1.39. A number stands for a function and the types of its arguments in the file. When a function was
given another argument it was given another number, and the old one keeps its meaning.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

HIGHEST_LEVEL = 45
RUNTIME_LEVEL = 44
"""Of the C runtime that is released with NNabla 1.39; it refuses files of a higher one."""


class Number(NamedTuple):
    """A number of a function.

    Attributes:
        id: the number in the file.
        level: the first API level that has it; ``None`` where none does, so that no file can have it.
        format: the arguments, see `types_of`.
    """

    id: int
    level: int | None
    format: str


# "id:level:format" of each function, the oldest first; the level is - where there is none.
_NUMBERS = {
    "ACos": "179:2:",
    "ACosh": "182:2:",
    "ASin": "178:2:",
    "ASinh": "181:2:",
    "ATan": "180:2:",
    "ATan2": "241:2:",
    "ATanh": "183:2:",
    "Abs": "68:1:",
    "AbsoluteError": "101:1:",
    "AdaptiveSeparableConvolution": "278:7:",
    "Add2": "31:1:B",
    "AddN": "281:10:",
    "AddScalar": "37:1:f 312:21:fB",
    "Affine": "0:1:i",
    "AffineGrid": "296:18:iIB",
    "Arange": "131:2:fff",
    "Assign": "248:2:",
    "AveragePooling": "6:1:iIiIBiIB 267:4:iIiIBiIBB",
    "BatchCholesky": "347:41:B",
    "BatchDet": "276:5:",
    "BatchInv": "275:5:",
    "BatchLogdet": "319:25:",
    "BatchMatmul": "72:1:BB",
    "BatchNormalization": "22:1:iIffB 326:28:iIffBBB",
    "BcAdd2": "32:1: 307:21:B",
    "BinaryConnectAffine": "107:1:i 235:2:if",
    "BinaryConnectConvolution": "108:1:iiIiIiIi 233:2:iiIiIiIif",
    "BinaryCrossEntropy": "97:1:",
    "BinaryError": "116:1:",
    "BinarySigmoid": "105:1:",
    "BinaryTanh": "106:1:",
    "BinaryWeightAffine": "109:1:i 234:2:if",
    "BinaryWeightConvolution": "110:1:iiIiIiIi 232:2:iiIiIiIif",
    "BitShift": "356:44:i",
    "BoolFill": "341:36:f",
    "BoolGather": "339:36:",
    "BoolScatter": "340:36:",
    "Broadcast": "79:1:iI",
    "BroadcastTo": "184:2:i",
    "CELU": "20:1:fi",
    "CReLU": "19:1:i",
    "CategoricalCrossEntropy": "99:1:i",
    "Ceil": "124:1:",
    "ClipGradByNorm": "122:1:fiI",
    "ClipGradByValue": "121:1:",
    "Concatenate": "74:1:i",
    "ConfusionMatrix": "117:1:i",
    "Constant": "67:1:fiI",
    "Convolution": "1:1:iiIiIiIi 265:4:iiIiIiIiB",
    "Cos": "174:2:",
    "Cosh": "177:2:",
    "CumProd": "332:-:iBB",
    "CumSum": "331:-:iBB",
    "Deconvolution": "3:1:iiIiIiIi 279:8:iiIiIiIiB 292:15:iiIiIiIiBiI",
    "DeformableConvolution": "329:30:iiIiIiIiiB",
    "DepthwiseConvolution": "2:1:iiIiIiIi",
    "DepthwiseDeconvolution": "4:1:iiIiIiIi",
    "DequantizeLinear": "294:16:",
    "Div2": "35:1: 310:21:B",
    "Dropout": "86:1:fi 336:34:fiB",
    "ELU": "17:1:f",
    "Einsum": "359:44:i",
    "Embed": "10:1:",
    "EpsilonInsensitiveLoss": "103:1:f",
    "Equal": "51:1:",
    "EqualScalar": "60:1:f",
    "Erf": "349:42:",
    "Exp": "69:1:",
    "EyeLike": "354:44:i",
    "FFT": "158:2:iB",
    "FixedPointQuantize": "113:1:BifB",
    "Flip": "81:1:iI",
    "Floor": "125:1:",
    "FusedBatchNormalization": "270:4:iIffBi",
    "FusedConvolution": "295:17:iiIiIiIiBffBifF 346:40:iiIiIiIiBffBifFif",
    "GELU": "245:2:",
    "GRU": "243:2:ifBB",
    "Gather": "302:-:iiI 303:-:ii",
    "GatherNd": "264:4:",
    "GlobalAveragePooling": "7:1:",
    "Greater": "54:1:",
    "GreaterEqual": "53:1:",
    "GreaterEqualScalar": "62:1:f",
    "GreaterScalar": "63:1:f",
    "GroupNormalization": "321:27:iiiIfBB",
    "HardSigmoid": "249:2: 259:3:ff",
    "HardTanh": "250:2:ii 260:3:ff 261:4:",
    "HuberLoss": "102:1:f",
    "IFFT": "159:2:iB",
    "INQAffine": "111:1:iiiIii",
    "INQConvolution": "112:1:iiIiIiIiiiIii",
    "ISTFT": "328:29:iiiiB 345:39:iiiiBiB",
    "Identity": "71:1:",
    "ImageAugmentation": "95:1:iIiIfffffBBfBffBfi",
    "InstanceNormalization": "322:27:iiIfBB",
    "Interpolate": "127:2:iIiB 286:12:iIiBB 291:14:iIiBBBB",
    "IsInf": "237:2:",
    "IsNaN": "236:2:",
    "KLMultinomial": "104:1:i",
    "LSTM": "242:2:ifBB",
    "LayerNormalization": "323:27:iIfBB",
    "LeakyReLU": "15:1:f 128:2:fB",
    "Less": "56:1:",
    "LessEqual": "55:1:",
    "LessEqualScalar": "64:1:f",
    "LessScalar": "65:1:f",
    "Linspace": "343:38:ffi",
    "Log": "70:1:",
    "LogSigmoid": "251:2:",
    "LogSoftmax": "269:4:i",
    "LogicalAnd": "48:1:",
    "LogicalAndScalar": "57:1:B",
    "LogicalNot": "66:1:",
    "LogicalOr": "49:1:",
    "LogicalOrScalar": "58:1:B",
    "LogicalXor": "50:1:",
    "LogicalXorScalar": "59:1:B",
    "MatrixDiag": "84:1:",
    "MatrixDiagPart": "85:1:",
    "Max": "26:1:iIB 132:2:iIBBB",
    "MaxPooling": "5:1:iIiIBiI 266:4:iIiIBiIB",
    "MaxPoolingBackward": "272:4:iIiIBiIB",
    "Maximum2": "45:1:",
    "MaximumScalar": "47:1:f",
    "Mean": "25:1:iIB",
    "MeanSubtraction": "23:1:iB",
    "Meshgrid": "334:32:B",
    "Min": "27:1:iIB 130:2:iIBBB",
    "MinMaxQuantize": "273:5:fBBB 274:6:fBBBf",
    "Minimum2": "44:1:",
    "MinimumScalar": "46:1:f",
    "Mish": "298:-:",
    "Mod2": "355:44:B",
    "Mul2": "34:1: 309:21:B",
    "MulN": "282:10:",
    "MulScalar": "38:1:f 313:21:fB",
    "NmsDetection2d": "231:2:ffB",
    "NonZero": "351:44:",
    "Norm": "318:24:fiIB",
    "NormNormalization": "317:23:fiIf",
    "NotEqual": "52:1:",
    "NotEqualScalar": "61:1:f",
    "ONNXNonMaxSuppression": "353:44:iiff",
    "ONNXResize": "352:44:fFfFiIiififi",
    "OneHot": "80:1:iI",
    "PReLU": "21:1:i",
    "PackPaddedSequence": "305:20:B",
    "Pad": "123:1:iIif",
    "PadPackedSequence": "306:20:Bfi",
    "PatchCorrelation": "280:9:iIiIiIiIiI",
    "Pow2": "36:1: 311:21:B",
    "Pow2Quantize": "114:1:BBiiB",
    "PowScalar": "39:1:f 314:21:fB",
    "Prod": "28:1:iIB",
    "Prune": "135:2:f",
    "QuantizeLinear": "293:16:iBi",
    "RDivScalar": "41:1:f",
    "RNN": "244:2:iifBB",
    "RPowScalar": "42:1:f",
    "RSubScalar": "40:1:f",
    "Rand": "89:1:ffiIi",
    "RandBeta": "288:13:ffiIi",
    "RandBinomial": "289:13:ifiIi",
    "RandGamma": "290:13:ffiIi",
    "Randint": "90:1:iiiIi",
    "Randn": "91:1:ffiIi",
    "RandomChoice": "246:2:iIBi",
    "RandomCrop": "92:1:iIii",
    "RandomErase": "283:-:ffFfFiBfFBiiB 284:-:ffFfFfFiBBiiB 285:11:ffFfFfFiBBiiBB",
    "RandomFlip": "93:1:iIii",
    "RandomShift": "94:1:iIiii 320:26:iIifii",
    "ReLU": "14:1:B",
    "ReLU6": "256:2:",
    "ReduceMean": "30:1:",
    "ReduceSum": "29:1:",
    "ResetInf": "239:2:f",
    "ResetNaN": "238:2:f",
    "Reshape": "83:1:iI 126:2:iIB",
    "RoiAlign": "338:-:iIfFiB",
    "Round": "73:1:",
    "SELU": "18:1:ff",
    "STFT": "327:29:iiiiBi 344:39:iiiiBiB",
    "ScatterAdd": "315:22:i",
    "ScatterNd": "271:4:iI 342:37:iIB",
    "SearchSorted": "333:-:B",
    "Shape": "348:41:ii",
    "Shift": "82:1:iIi",
    "Sigmoid": "11:1:",
    "SigmoidCrossEntropy": "96:1:",
    "Sign": "43:1:f",
    "Sin": "173:2:",
    "Sinc": "255:2:",
    "Sinh": "176:2:",
    "Sink": "120:1:B",
    "Slice": "77:1:iIiIiI",
    "SoftPlus": "252:2:ii 262:4: 335:33:f",
    "SoftSign": "253:2:",
    "Softmax": "16:1:i",
    "SoftmaxCrossEntropy": "98:1:i",
    "Sort": "129:2:iBBB",
    "SpectralNorm": "330:31:iifB 337:35:iifBB",
    "Split": "75:1:i",
    "SquaredError": "100:1:",
    "Stack": "76:1:i",
    "Sub2": "33:1: 308:21:B",
    "Sum": "24:1:iIB",
    "SumPooling": "8:1:iIiIBiI 268:4:iIiIBiIB",
    "Swish": "12:1:",
    "SyncBatchNormalization": "263:4:CiiIffB",
    "Tan": "175:2:",
    "Tanh": "13:1:",
    "TanhShrink": "254:2:",
    "TensorNormalization": "324:27:iIfBB",
    "Tile": "247:2:iI",
    "TopKData": "87:1:iBBi 350:43:iBBiBB",
    "TopKGrad": "88:1:iBi",
    "TopNError": "115:1:ii",
    "Transpose": "78:1:iI",
    "Trilu": "360:45:iB",
    "Unique": "358:44:BiBBBB",
    "Unlink": "119:1:",
    "Unpooling": "9:1:iI 287:13:iIB",
    "VATNoise": "118:1:if",
    "WarpByFlow": "277:5:",
    "WarpByGrid": "297:18:iiBB",
    "WeightNormalization": "304:19:if",
    "WeightStandardization": "325:27:if",
    "Where": "240:2:",
}

_TYPES = re.compile("iI|fF|[BifC]")


def types_of(format: str) -> list[str]:
    """The types of arguments in a format: ``B`` a bool, ``i`` an integer or choice, ``f`` a number, ``iI`` integers,
    ``fF`` numbers, ``C`` a communicator."""
    return _TYPES.findall(format)


@cache
def numbers() -> dict[str, tuple[Number, ...]]:
    """The numbers of every function, the oldest first."""
    found = {}
    for name, text in _NUMBERS.items():
        parts = [entry.split(":") for entry in text.split(" ")]
        found[name] = tuple([Number(int(i), None if level == "-" else int(level), f) for i, level, f in parts])
    return found


@cache
def by_number() -> dict[int, tuple[str, Number]]:
    """The function of every number."""
    return {each.id: (name, each) for name, found in numbers().items() for each in found}


def at_level(name: str, level: int) -> Number | None:
    """The newest number of a function that an API level has; ``None`` where it has none."""
    found = [each for each in numbers().get(name, ()) if each.level is not None and each.level <= level]
    return found[-1] if found else None
