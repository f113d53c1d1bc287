//===- CudaSpecAttr.cpp - kernels of a GPU <-> attribute ------------------===//
#include "compiler/dialect/plan/CudaSpecAttr.h"

#include "compiler/dialect/plan/SpecFields.h"

using namespace mlir;
using air::Result;
using namespace air::codegen::cuda;
using air::codegen::RopeKind;

namespace air::ir::plan {
namespace {

/// The kinds of kernels, in the order of the alternatives of CudaSpec.
enum class CudaOp : uint8_t {
  BeginStep,
  DecodeMatMul,
  DecodeAttention,
  PrefillInput,
  PrefillMatMul,
  PrefillHeads,
  PrefillAttention,
  ChooseToken
};

/// Converts between enums and their names. The overloads of nameAt() return the
/// name of the enum value `i`, or "" if there is no such value.
struct CudaNames {
  static std::string_view nameAt(CudaOp, size_t i) {
    return at({"begin_step", "decode_matmul", "decode_attention",
               "prefill_input", "prefill_matmul", "prefill_heads",
               "prefill_attention", "choose_token"},
              i);
  }
  static std::string_view nameAt(RopeKind, size_t i) {
    return at({"none", "norm", "neox"}, i);
  }
  static std::string_view nameAt(MatMulInput, size_t i) {
    return at({"half", "float", "rms_norm", "layer_norm"}, i);
  }
  static std::string_view nameAt(MatMulOutput, size_t i) {
    return at({"store", "add", "silu_glu", "gelu_glu", "heads", "silu_up"}, i);
  }
  static std::string_view nameAt(Choice, size_t i) {
    return at({"greedy", "draw"}, i);
  }
  static std::string_view nameAt(WeightFetch, size_t i) {
    return i > 2 ? "" : fetchName(static_cast<WeightFetch>(i));
  }

  template <typename E> static std::string_view of(E value) {
    return nameAt(value, static_cast<size_t>(value));
  }
  static std::string_view of(DType value) { return info(value).name; }
  static std::string_view of(Layout value) { return layoutName(value); }

  template <typename E> static bool parse(std::string_view name, E &value) {
    for (size_t i = 0; !nameAt(value, i).empty(); ++i) {
      if (nameAt(value, i) == name) {
        value = static_cast<E>(i);
        return true;
      }
    }
    return false;
  }
  static bool parse(std::string_view name, DType &value) {
    std::optional<DType> dtype = dtypeFromName(name);
    value = dtype.value_or(value);
    return dtype.has_value();
  }

  static bool parse(std::string_view name, Layout &value) {
    std::optional<Layout> layout = layoutFromName(name);
    value = layout.value_or(value);
    return layout.has_value();
  }

private:
  static std::string_view at(std::initializer_list<std::string_view> names,
                             size_t i) {
    return i < names.size() ? names.begin()[i] : std::string_view();
  }
};

// The functions below are the only lists of the specs' fields. The conversions
// to attributes and back both iterate over these lists.

template <typename PagesT, typename Fn>
void forEachPageField(PagesT &pages, Fn &fn) {
  fn("head_dim", pages.headDim);
  fn("kv_heads", pages.kvHeads);
  fn("page_bytes", pages.pageBytes);
  fn("table_pages", pages.tablePages);
}

template <typename HeadsT, typename Fn>
void forEachHeadField(HeadsT &heads, Fn &fn) {
  fn("query_heads", heads.queryHeads);
  fn("key_heads", heads.keyHeads);
  fn("value_heads", heads.valueHeads);
  fn("qk_norm", heads.qkNorm);
  fn("qk_epsilon", heads.qkEpsilon);
  fn("rope", heads.rope);
  fn("rope_dim", heads.ropeDim);
  fn("tokens_per_sequence", heads.tokensPerSequence);
  forEachPageField(heads.pages, fn);
}

template <typename SpecT, typename Fn>
  requires std::is_same_v<std::remove_const_t<SpecT>, BeginStep>
void forEachField(SpecT &spec, Fn &fn) {
  fn("dtype", spec.dtype);
  fn("vocabulary", spec.vocabulary);
  fn("columns", spec.columns);
  fn("tokens", spec.tokens);
  fn("count_in_memory", spec.countInMemory);
  fn("scale", spec.scale);
  fn("rope_dim", spec.ropeDim);
  fn("angle_scale", spec.angleScale);
  fn("dependent_launch", spec.dependentLaunch);
}

template <typename SpecT, typename Fn>
  requires std::is_same_v<std::remove_const_t<SpecT>, DecodeMatMul>
void forEachField(SpecT &spec, Fn &fn) {
  fn("dtype", spec.dtype);
  fn("layout", spec.layout);
  fn("rows", spec.rows);
  fn("columns", spec.columns);
  fn("tokens", spec.tokens);
  fn("multiprocessors", spec.multiprocessors);
  fn("dependent_launch", spec.dependentLaunch);
  fn("input", spec.input);
  fn("epsilon", spec.epsilon);
  fn("split_activations", spec.splitActivations);
  fn("output", spec.output);
  fn("has_bias", spec.hasBias);
  fn("has_row_scales", spec.hasRowScales);
  forEachHeadField(spec.heads, fn);
  fn("fetch", spec.tiling.fetch);
  fn("warps", spec.tiling.warps);
  fn("group_units", spec.tiling.groupUnits);
  fn("stages", spec.tiling.stages);
  fn("blocks_per_multiprocessor", spec.tiling.blocksPerMultiprocessor);
  fn("splits", spec.tiling.splits);
  fn("reduce_tiles", spec.tiling.reduceTiles);
  fn("held_tiles", spec.tiling.heldTiles);
}

template <typename SpecT, typename Fn>
  requires std::is_same_v<std::remove_const_t<SpecT>, DecodeAttention>
void forEachField(SpecT &spec, Fn &fn) {
  fn("query_heads", spec.queryHeads);
  forEachPageField(spec.pages, fn);
  fn("tokens", spec.tokens);
  fn("tokens_per_sequence", spec.tokensPerSequence);
  fn("query_stride", spec.queryStride);
  fn("scale", spec.scale);
  fn("splits", spec.splits);
  fn("warps", spec.warps);
  fn("dependent_launch", spec.dependentLaunch);
}

template <typename SpecT, typename Fn>
  requires std::is_same_v<std::remove_const_t<SpecT>, PrefillInput>
void forEachField(SpecT &spec, Fn &fn) {
  fn("dtype", spec.dtype);
  fn("columns", spec.columns);
  fn("max_tokens", spec.maxTokens);
  fn("input", spec.input);
  fn("epsilon", spec.epsilon);
  fn("split_activations", spec.splitActivations);
  fn("wgmma", spec.wgmma);
  fn("outputs", spec.outputs);
  fn("dependent_launch", spec.dependentLaunch);
}

template <typename SpecT, typename Fn>
  requires std::is_same_v<std::remove_const_t<SpecT>, PrefillMatMul>
void forEachField(SpecT &spec, Fn &fn) {
  fn("dtype", spec.dtype);
  fn("layout", spec.layout);
  fn("rows", spec.rows);
  fn("columns", spec.columns);
  fn("max_tokens", spec.maxTokens);
  fn("split_activations", spec.splitActivations);
  fn("wgmma", spec.wgmma);
  fn("outputs", spec.outputs);
  fn("output", spec.output);
  fn("has_bias", spec.hasBias);
  fn("has_row_scales", spec.hasRowScales);
  fn("dependent_launch", spec.dependentLaunch);
  fn("row_warps", spec.tiling.rowWarps);
  fn("row_tiles", spec.tiling.rowTiles);
  fn("token_warps", spec.tiling.tokenWarps);
  fn("token_groups", spec.tiling.tokenGroups);
  fn("stages", spec.tiling.stages);
}

template <typename SpecT, typename Fn>
  requires std::is_same_v<std::remove_const_t<SpecT>, PrefillHeads>
void forEachField(SpecT &spec, Fn &fn) {
  forEachHeadField(spec.heads, fn);
  fn("max_tokens", spec.maxTokens);
  fn("dependent_launch", spec.dependentLaunch);
}

template <typename SpecT, typename Fn>
  requires std::is_same_v<std::remove_const_t<SpecT>, PrefillAttention>
void forEachField(SpecT &spec, Fn &fn) {
  fn("query_heads", spec.queryHeads);
  forEachPageField(spec.pages, fn);
  fn("max_tiles", spec.maxTiles);
  fn("query_stride", spec.queryStride);
  fn("scale", spec.scale);
  fn("split_operands", spec.splitOperands);
  fn("dependent_launch", spec.dependentLaunch);
  fn("tile_tokens", spec.tiling.tileTokens);
  fn("positions", spec.tiling.positions);
  fn("stages", spec.tiling.stages);
}

template <typename SpecT, typename Fn>
  requires std::is_same_v<std::remove_const_t<SpecT>, ChooseToken>
void forEachField(SpecT &spec, Fn &fn) {
  fn("choice", spec.choice);
  fn("vocabulary", spec.vocabulary);
  fn("tokens", spec.tokens);
  fn("blocks", spec.blocks);
  fn("warps", spec.warps);
  fn("advance", spec.advance);
  fn("dependent_launch", spec.dependentLaunch);
}

/// A spec together with its kind, which is the field `op`.
template <typename SpecT> struct Tagged {
  CudaOp op{};
  SpecT spec;
};

constexpr auto kEach = [](auto &tagged, auto fn) {
  fn("op", tagged.op);
  forEachField(tagged.spec, fn);
};

template <typename SpecT> Result<CudaSpec> read(DictionaryAttr attr) {
  Tagged<SpecT> tagged;
  AIR_RETURN_IF_ERROR(specFromAttr<CudaNames>(attr, tagged, kEach));
  return CudaSpec(tagged.spec);
}

} // namespace

DictionaryAttr cudaSpecToAttr(MLIRContext *context, const CudaSpec &spec) {
  const auto op = static_cast<CudaOp>(spec.index());
  return std::visit(
      [&](const auto &kind) {
        return specToAttr<CudaNames>(
            context, Tagged<std::remove_cvref_t<decltype(kind)>>{op, kind},
            kEach);
      },
      spec);
}

Result<CudaSpec> cudaSpecFromAttr(DictionaryAttr attr) {
  CudaOp op{};
  Attribute name = attr.get("op");
  if (!name || !fieldFromAttr<CudaNames>(name, op)) {
    return corruptError(
        "the field 'op' of the kernel specification is missing, or names no "
        "kernel for GPUs");
  }
  switch (op) {
  case CudaOp::BeginStep:
    return read<BeginStep>(attr);
  case CudaOp::DecodeMatMul:
    return read<DecodeMatMul>(attr);
  case CudaOp::DecodeAttention:
    return read<DecodeAttention>(attr);
  case CudaOp::PrefillInput:
    return read<PrefillInput>(attr);
  case CudaOp::PrefillMatMul:
    return read<PrefillMatMul>(attr);
  case CudaOp::PrefillHeads:
    return read<PrefillHeads>(attr);
  case CudaOp::PrefillAttention:
    return read<PrefillAttention>(attr);
  case CudaOp::ChooseToken:
    return read<ChooseToken>(attr);
  }
  return internalError(
      "cudaSpecFromAttr() does not handle the 'op' of this kernel");
}

Arithmetic arithmeticOf(const codegen::cuda::CudaSpec &spec) {
  const auto *decode = std::get_if<codegen::cuda::DecodeMatMul>(&spec);
  const auto *prefill = std::get_if<codegen::cuda::PrefillMatMul>(&spec);
  if (decode == nullptr && prefill == nullptr) {
    return Arithmetic::Float32;
  }
  switch (decode != nullptr ? decode->dtype : prefill->dtype) {
  case DType::F32:
  case DType::F64:
    return Arithmetic::Float32;
  case DType::BF16:
    // A target whose tensor cores lack bfloat16 multiplies BF16 weights in
    // float32. The spec does not say which target it is for, so this function
    // ignores that case.
    return Arithmetic::BFloat16;
  default:
    return Arithmetic::Float16;
  }
}

} // namespace air::ir::plan
