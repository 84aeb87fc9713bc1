"""Categories of functions, in the order of NNabla 1.39's tables, and which of their inputs are parameters."""

from __future__ import annotations

from functools import cache

_CATEGORIES = {
    "Neural Network Layer": (
        "Affine RNN LSTM GRU Convolution FusedConvolution DepthwiseConvolution Deconvolution "
        "DepthwiseDeconvolution DeformableConvolution AdaptiveSeparableConvolution MaxPooling AveragePooling "
        "GlobalAveragePooling SumPooling Unpooling Embed RoiAlign"
    ),
    "Neural Network Activation Functions": (
        "Sigmoid Swish Tanh ReLU LeakyReLU Softmax LogSoftmax ELU SELU CReLU CELU PReLU GELU Mish ReLU6 "
        "HardSigmoid HardTanh LogSigmoid SoftPlus SoftSign TanhShrink Sinc"
    ),
    "Normalization": (
        "FusedBatchNormalization BatchNormalization GroupNormalization InstanceNormalization LayerNormalization "
        "NormNormalization SyncBatchNormalization TensorNormalization WeightNormalization WeightStandardization "
        "SpectralNorm MeanSubtraction ClipGradByValue ClipGradByNorm"
    ),
    "Reduction": "Sum CumSum Mean Max Min Norm Prod CumProd ReduceSum ReduceMean",
    "Arithmetic": (
        "Add2 AddN BcAdd2 Sub2 Mul2 MulN Div2 Pow2 AddScalar MulScalar PowScalar RSubScalar RDivScalar RPowScalar"
    ),
    "Logical": (
        "Sign Minimum2 Maximum2 MinimumScalar MaximumScalar LogicalAnd LogicalOr LogicalXor Equal NotEqual "
        "GreaterEqual Greater LessEqual Less SearchSorted LogicalAndScalar LogicalOrScalar LogicalXorScalar "
        "EqualScalar NotEqualScalar GreaterEqualScalar GreaterScalar LessEqualScalar LessScalar LogicalNot IsNaN "
        "IsInf ResetNaN ResetInf Where"
    ),
    "Math": (
        "Constant Arange Linspace Abs Exp Log Identity BatchMatmul Round Ceil Floor Sin Cos Tan Sinh Cosh ASin "
        "ACos ATan ATan2 ASinh ACosh ATanh Erf"
    ),
    "Array Manipulation": (
        "Concatenate Split Stack Slice Pad Transpose Broadcast BroadcastTo Tile OneHot Flip Shift Sort Reshape "
        "Shape MatrixDiag MatrixDiagPart Trilu Meshgrid BatchDet BatchInv BatchLogdet BatchCholesky Assign Gather "
        "GatherNd BoolGather ScatterNd ScatterAdd BoolScatter BoolFill PackPaddedSequence PadPackedSequence "
        "NonZero"
    ),
    "Signal Processing": "Interpolate ONNXResize FFT IFFT STFT ISTFT",
    "Stochasticity": (
        "Dropout TopKData TopKGrad Rand Randint Randn RandBinomial RandBeta RandGamma RandomChoice RandomCrop "
        "RandomFlip RandomShift RandomErase ImageAugmentation"
    ),
    "Loss Functions": (
        "SigmoidCrossEntropy BinaryCrossEntropy SoftmaxCrossEntropy CategoricalCrossEntropy SquaredError "
        "AbsoluteError HuberLoss EpsilonInsensitiveLoss KLMultinomial"
    ),
    "Geometric Neural Network Layers": "AffineGrid WarpByGrid WarpByFlow",
    "Quantization Neural Network Layers": (
        "BinarySigmoid BinaryTanh BinaryConnectAffine BinaryConnectConvolution BinaryWeightAffine "
        "BinaryWeightConvolution INQAffine INQConvolution FixedPointQuantize MinMaxQuantize Pow2Quantize Prune "
        "QuantizeLinear DequantizeLinear"
    ),
    "Validation": "TopNError BinaryError ConfusionMatrix",
    "Unsupported, Special Use": (
        "VATNoise Unlink Sink NmsDetection2d ONNXNonMaxSuppression MaxPoolingBackward PatchCorrelation Unique "
        "EyeLike Mod2 BitShift Einsum"
    ),
}

_PARAMETERS = {
    "weight bias": "Affine Convolution DepthwiseConvolution Deconvolution DepthwiseDeconvolution DeformableConvolution",
    "weight_l0 weight bias": "RNN LSTM GRU",
    "weight bias beta gamma": "FusedConvolution",
    "w": "Embed",
    "x target": "SigmoidCrossEntropy SoftmaxCrossEntropy CategoricalCrossEntropy",
    "weight binary_weight bias": "BinaryConnectAffine BinaryConnectConvolution",
    "weight binary_weight alpha bias": "BinaryWeightAffine BinaryWeightConvolution",
    "weight indicator_fixedweights bias": "INQAffine INQConvolution",
}


@cache
def categories() -> dict[str, list[str]]:
    """The functions of every category."""
    return {category: names.split() for category, names in _CATEGORIES.items()}


@cache
def parameter_inputs() -> dict[str, list[str]]:
    """The inputs that NNabla 1.39 calls parameters, by functions that have some."""
    return {name: inputs.split() for inputs, names in _PARAMETERS.items() for name in names.split()}
