"""What releases of NNabla lack of 1.39: types of functions, and fields of messages, with blanks between them.

Made by tools/make_release_table.py.
"""

from __future__ import annotations

LACKING: dict[str, tuple[str, str]] = {
    "1.14.0": (
        (
            "BatchCholesky BatchLogdet BitShift BoolFill BoolGather BoolScatter CumProd CumSum "
            "DeformableConvolution Einsum Erf EyeLike GroupNormalization ISTFT InstanceNormalization "
            "LayerNormalization Linspace Meshgrid Mod2 NonZero ONNXNonMaxSuppression ONNXResize RoiAlign STFT "
            "SearchSorted Shape SpectralNorm TensorNormalization Trilu Unique WeightStandardization"
        ),
        (
            "BatchNormalizationParameter.no_bias BatchNormalizationParameter.no_scale "
            "Function.batch_cholesky_param Function.bit_shift_param Function.bool_fill_param "
            "Function.cumprod_param Function.cumsum_param Function.deformable_convolution_param "
            "Function.einsum_param Function.eye_like_param Function.group_normalization_param "
            "Function.instance_normalization_param Function.istft_param Function.layer_normalization_param "
            "Function.linspace_param Function.meshgrid_param Function.mod2_param "
            "Function.onnx_non_max_suppression_param Function.onnx_resize_param Function.roi_align_param "
            "Function.searchsorted_param Function.shape_param Function.softplus_param "
            "Function.spectral_norm_param Function.stft_param Function.tensor_normalization_param "
            "Function.trilu_param Function.unique_param Function.weight_standardization_param "
            "FusedConvolutionParameter.constant_value FusedConvolutionParameter.pad_mode "
            "RandomShiftParameter.constant_value ScatterNdParameter.add Solver.lamb_param Solver.lion_param "
            "TopKDataParameter.largest TopKDataParameter.with_index"
        ),
    ),
    "1.20.1": (
        (
            "BatchCholesky BitShift BoolFill BoolGather BoolScatter Einsum Erf EyeLike Linspace Mod2 NonZero "
            "ONNXNonMaxSuppression ONNXResize RoiAlign Shape Trilu Unique"
        ),
        (
            "Function.batch_cholesky_param Function.bit_shift_param Function.bool_fill_param "
            "Function.einsum_param Function.eye_like_param Function.linspace_param Function.mod2_param "
            "Function.onnx_non_max_suppression_param Function.onnx_resize_param Function.roi_align_param "
            "Function.shape_param Function.trilu_param Function.unique_param "
            "FusedConvolutionParameter.constant_value FusedConvolutionParameter.pad_mode "
            "ISTFTParameter.as_stft_backward ISTFTParameter.pad_mode STFTParameter.as_istft_backward "
            "ScatterNdParameter.add Solver.lamb_param Solver.lion_param SpectralNormParameter.output_u "
            "TopKDataParameter.largest TopKDataParameter.with_index"
        ),
    ),
    "1.29.0": (
        "BitShift Einsum Erf EyeLike Mod2 NonZero ONNXNonMaxSuppression ONNXResize Shape Trilu Unique",
        (
            "Function.bit_shift_param Function.einsum_param Function.eye_like_param Function.mod2_param "
            "Function.onnx_non_max_suppression_param Function.onnx_resize_param Function.shape_param "
            "Function.trilu_param Function.unique_param Solver.lion_param TopKDataParameter.largest "
            "TopKDataParameter.with_index"
        ),
    ),
    "1.39.0": (
        "",
        "",
    ),
}
