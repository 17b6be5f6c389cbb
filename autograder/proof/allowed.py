"""Which operations a recording may hold: torch's own, by name.

Allowed are what torch itself calls core or pointwise, and the names below: what else honest code and its gradients are
made of. Left out is what reads memory that it did not write, or a file; what takes a storage or a pointer; and what
belongs to other devices. Whatever is not here is refused, which is told by name: a right solution that needs more is a
reason to add a line.
"""

from functools import cache
from typing import Any

import torch

from autograder.sandbox.recorder import LOOK

VIEWS = """
_conj _fw_primal _neg_view _reshape_alias _reshape_copy _unsafe_view adjoint alias_copy as_strided_ as_strided_scatter
conj detach detach_ diag_embed diagonal_backward diagonal_copy diagonal_scatter expand_copy imag lift_fresh
lift_fresh_copy mH mT movedim narrow permute_copy real reshape resolve_conj resolve_neg select_backward slice_backward
split squeeze_ swapaxes t t_ transpose transpose_ unbind unfold unfold_backward unsafe_chunk unsafe_split
unsafe_split_with_sizes unsqueeze_ view_as_complex view_as_real view_copy
"""
MAKING = """
_efficientzerotensor bernoulli bernoulli_ cauchy_ clone_ copy_ empty_like empty_permuted exponential exponential_ eye
fill_ full geometric_ linspace log_normal_ logspace multinomial new_empty new_empty_strided new_full new_ones
new_zeros normal normal_ normal_functional ones ones_like rand_like randint randint_like randn_like random_ range
scalar_tensor tril tril_ tril_indices triu triu_ triu_indices uniform uniform_ vander zero zero_ zeros zeros_like
"""
PRODUCTS = """
_addmm_activation _trilinear addbmm addmm_ addmv addmv_ addr baddbmm baddbmm_ bilinear chain_matmul cross dot einsum
ger inner kron linalg_cross linalg_multi_dot linalg_vecdot linear matmul mv outer tensordot vdot
"""
REDUCTIONS = """
_aminmax _amp_foreach_non_finite_check_and_unscale_ _cdist_backward _is_all_true _is_any_true _logcumsumexp _unique
_unique2 all amax_ aminmax argsort argwhere bincount bucketize cdist corrcoef count_nonzero cov cummax
cummaxmin_backward cummin cumprod cumprod_ cumprod_backward cumsum_ diff dist equal frobenius_norm histc is_nonzero
isclose isin item kthvalue linalg_matrix_norm linalg_vector_norm logcumsumexp logsumexp median mode msort nanmean
nanmedian nanquantile nansum nonzero_static norm nuclear_norm pdist quantile renorm renorm_ searchsorted std std_mean
trace trapezoid unique_consecutive unique_dim value_selecting_reduction_backward var_mean
"""
INDEXING = """
_embedding_bag_backward _embedding_bag_dense_backward _segment_reduce_backward
_embedding_bag _embedding_bag_forward_only _index_put_impl_ _pad_circular _unsafe_index _unsafe_index_put
_unsafe_masked_index _unsafe_masked_index_put_accumulate atleast_1d atleast_2d block_diag bucketize cartesian_prod
channel_shuffle col2im_backward combinations constant_pad dstack embedding_backward embedding_renorm_
embedding_sparse_backward flatten fliplr flipud gather_backward hstack im2col im2col_backward index_add index_add_
index_copy index_copy_ index_fill index_fill_ index_put_ index_reduce index_reduce_ index_select_backward masked_fill_
masked_scatter_ masked_scatter_backward masked_select meshgrid native_channel_shuffle one_hot pad pixel_shuffle
pixel_unshuffle put put_ reflection_pad1d_backward reflection_pad2d_backward repeat_interleave replication_pad1d
replication_pad1d_backward replication_pad2d_backward roll rot90 scatter_ scatter_add_ scatter_reduce_ segment_reduce
stack take take_along_dim tile vstack
"""
NETWORKS = """
_adaptive_avg_pool2d_backward _batch_norm_no_update _batch_norm_with_update _conv_depthwise2d _fused_dropout
_fused_rms_norm _fused_rms_norm_backward _log_softmax_backward_data _masked_softmax _masked_softmax_backward
_native_batch_norm_legit_functional _native_multi_head_attention _prelu_kernel _prelu_kernel_backward
_scaled_dot_product_attention_math _scaled_dot_product_flash_attention_for_cpu
_scaled_dot_product_flash_attention_for_cpu_backward _slow_conv2d_backward _slow_conv2d_forward _softmax_backward_data
_transformer_encoder_layer_fwd _weight_norm_interface _weight_norm_interface_backward adaptive_max_pool2d
_new_zeros_with_same_feature_meta _safe_softmax adaptive_max_pool2d_backward avg_pool1d avg_pool3d_backward
batch_norm_backward binary_cross_entropy binary_cross_entropy_backward binary_cross_entropy_with_logits celu
conv_depthwise3d cosine_similarity cudnn_batch_norm dropout dropout_ elu_backward glu glu_backward
grid_sampler_2d_backward hardshrink_backward hardsigmoid_backward hardswish hardswish_ hardswish_backward hardtanh_
hardtanh_backward huber_loss huber_loss_backward kl_div l1_loss leaky_relu_backward log_sigmoid_backward
log_sigmoid_forward log_softmax logit_backward max_pool3d_with_indices_backward max_unpool2d mish_backward
mkldnn_convolution mse_loss mse_loss_backward native_batch_norm native_batch_norm_backward native_dropout nll_loss
nll_loss2d nll_loss2d_backward nll_loss2d_forward nll_loss_backward nll_loss_forward nll_loss_nd relu6_ rms_norm
rrelu_with_noise rrelu_with_noise_backward slow_conv2d_forward smooth_l1_loss smooth_l1_loss_backward soft_margin_loss
softmax softplus_backward softshrink_backward special_log_softmax thnn_conv2d threshold_ upsample_bilinear2d_backward
upsample_nearest2d_backward
"""
ALGEBRA = """
_cholesky_solve_helper _fft_c2c _linalg_check_errors _linalg_det _linalg_eigh _linalg_eigvals _linalg_slogdet
_linalg_solve_ex _linalg_svd cholesky cholesky_inverse cholesky_solve complex fft_fft fft_fftfreq fft_fftshift
fft_ifft fft_rfftfreq geqrf linalg_cholesky_ex linalg_eig linalg_eigvals linalg_eigvalsh linalg_householder_product
linalg_inv_ex linalg_ldl_factor_ex linalg_ldl_solve linalg_lstsq linalg_lu linalg_lu_factor_ex linalg_lu_solve
linalg_matrix_exp linalg_pinv linalg_qr linalg_solve_triangular logdet lu_unpack matrix_exp matrix_power orgqr ormqr
polar sgn_ svd triangular_solve
"""
SPARSE = """
_coalesce _coalesced _coalesced_ _convert_indices_from_coo_to_csr _convert_indices_from_csr_to_coo _csr_to_block_csr
_dimI _dimV _indices _indices_copy _nnz _sparse_addmm _sparse_compressed_tensor_unsafe
_sparse_compressed_tensor_with_dims _sparse_coo_tensor_unsafe _sparse_coo_tensor_with_dims
_sparse_coo_tensor_with_dims_and_tensors _sparse_csr_prod _sparse_csr_sum _sparse_csr_tensor_unsafe
_sparse_log_softmax _sparse_log_softmax_backward_data _sparse_mask_projection _sparse_mm _sparse_mm_reduce_impl
_sparse_mm_reduce_impl_backward _sparse_softmax _sparse_softmax_backward_data _sparse_sparse_matmul _sparse_sum
_sparse_sum_backward _spdiags _to_dense _to_sparse _to_sparse_bsc _to_sparse_bsr _to_sparse_csc _to_sparse_csr
_validate_sparse_compressed_tensor_args _validate_sparse_coo_tensor_args _validate_sparse_csr_tensor_args _values
_values_copy ccol_indices coalesce col_indices crow_indices dense_dim hspmm indices indices_copy is_coalesced
row_indices sparse_compressed_tensor sparse_coo_tensor sparse_csr_tensor sparse_dim sparse_mask sparse_resize_
sparse_sampled_addmm sspaddmm to_dense to_sparse values values_copy
"""
OTHER = """
__and__ __iand__ __ior__ __lshift__ __or__ __xor__ _assert_async _assert_tensor_metadata _cast_Double _cast_Float
_debug_has_internal_overlap _foreach_add _foreach_mul _foreach_norm _functional_assert_async
_has_compatible_shallow_copy_type _has_same_storage_numel _local_scalar_dense _test_check_tensor _to_copy absolute
alias_ arctan2 bitwise_and_ contiguous cpu detach divide eq_ erf_ fix float_power floor_divide floor_divide_ fmax_ ge_
gradient greater gt_ hann_window hypot imag is_complex is_floating_point is_pinned is_same_size isreal istft le_ lerp_
less log_normal lt_ multiply ne_ not_equal real result_type rsub sinc softplus_ special_expit special_logit
special_logsumexp special_softmax special_xlogy square stft subtract sym_size to true_divide_ type_as where xlogy
"""
NAMED = frozenset(" ".join((VIEWS, MAKING, PRODUCTS, REDUCTIONS, INDEXING, NETWORKS, ALGEBRA, SPARSE, OTHER)).split())
UNSAFE = {"resize_", "resize"}  # core, and give memory that nothing wrote
KINDS = {torch.Tag.core, torch.Tag.pointwise}


@cache
def operation(name: Any) -> Any:
    """The operation of a recorded name, such as `aten::mul.Tensor`; None where it is not one that may be replayed."""
    if name == LOOK:
        return torch.ops.aten.as_strided.default
    space, _, rest = str(name).partition("::")
    base, _, overload = rest.partition(".")
    if space != "aten" or not base.isidentifier() or base in UNSAFE:
        return None
    packet = getattr(torch.ops.aten, base, None)
    found = getattr(packet, overload or "default", None)
    if not isinstance(found, torch._ops.OpOverload):
        return None
    functional = base.removesuffix("_")
    known = base in NAMED or functional in NAMED or bool(KINDS & set(found.tags))
    return found if known or _is_core(functional) else None


def _is_core(base: str) -> bool:
    """Whether another overload of the same name is one: `add_` of `add`, `max.dim` of `max`."""
    packet = getattr(torch.ops.aten, base, None)
    names = packet.overloads() if isinstance(packet, torch._ops.OpOverloadPacket) else ()  # type: ignore[no-untyped-call]
    return any(KINDS & set(getattr(packet, each).tags) for each in names)
