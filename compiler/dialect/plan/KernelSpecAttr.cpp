//===- KernelSpecAttr.cpp - KernelSpec <-> attribute ------------*- C++ -*-===//
#include "compiler/dialect/plan/KernelSpecAttr.h"

#include "compiler/dialect/plan/SpecFields.h"

#include <array>

using namespace mlir;
using air::Result;
using air::Status;
using air::codegen::Activation;
using air::codegen::KernelOp;
using air::codegen::KernelSpec;
using air::codegen::MClass;
using air::codegen::RopeKind;

namespace air::ir::plan {
namespace {

template <typename EnumT> struct Named {
  EnumT value;
  const char *name;
};

constexpr std::array kMClasses = {
    Named<MClass>{MClass::One, "one"},
    Named<MClass>{MClass::Small, "small"},
    Named<MClass>{MClass::Large, "large"},
};
constexpr std::array kRopes = {
    Named<RopeKind>{RopeKind::None, "none"},
    Named<RopeKind>{RopeKind::Norm, "norm"},
    Named<RopeKind>{RopeKind::Neox, "neox"},
};
constexpr std::array kRows = {
    Named<codegen::RowsFrom>{codegen::RowsFrom::Tokens, "tokens"},
    Named<codegen::RowsFrom>{codegen::RowsFrom::Outputs, "outputs"},
};

std::string_view nameOf(KernelOp value) { return codegen::opName(value); }
std::string_view nameOf(MClass value) {
  return kMClasses[static_cast<size_t>(value)].name;
}
std::string_view nameOf(Activation value) {
  return codegen::activationName(value);
}
std::string_view nameOf(RopeKind value) {
  return kRopes[static_cast<size_t>(value)].name;
}
std::string_view nameOf(codegen::RowsFrom value) {
  return kRows[static_cast<size_t>(value)].name;
}
std::string_view nameOf(DType value) { return info(value).name; }
std::string_view nameOf(Layout value) { return layoutName(value); }
std::string_view nameOf(std::optional<StreamHint> value) {
  return value ? streamHintName(*value) : "model";
}

template <typename EnumT, size_t N>
bool fromTable(const std::array<Named<EnumT>, N> &table, std::string_view name,
               EnumT &value) {
  for (const Named<EnumT> &row : table) {
    if (name == row.name) {
      value = row.value;
      return true;
    }
  }
  return false;
}

/// Finds the enum value called `name` among the first `count` values of the
/// enum.
template <typename EnumT>
bool fromNames(size_t count, std::string_view name, EnumT &value) {
  for (size_t i = 0; i < count; ++i) {
    if (nameOf(static_cast<EnumT>(i)) == name) {
      value = static_cast<EnumT>(i);
      return true;
    }
  }
  return false;
}

bool fromName(std::string_view name, KernelOp &value) {
  return fromNames(codegen::kKernelOpCount, name, value);
}
bool fromName(std::string_view name, MClass &value) {
  return fromTable(kMClasses, name, value);
}
bool fromName(std::string_view name, Activation &value) {
  return fromNames(codegen::kActivationCount, name, value);
}
bool fromName(std::string_view name, RopeKind &value) {
  return fromTable(kRopes, name, value);
}
bool fromName(std::string_view name, codegen::RowsFrom &value) {
  return fromTable(kRows, name, value);
}
bool fromName(std::string_view name, DType &value) {
  std::optional<DType> dtype = dtypeFromName(name);
  value = dtype.value_or(value);
  return dtype.has_value();
}
bool fromName(std::string_view name, Layout &value) {
  std::optional<Layout> layout = layoutFromName(name);
  value = layout.value_or(value);
  return layout.has_value();
}

bool fromName(std::string_view name, std::optional<StreamHint> &value) {
  value = streamHintOf(name);
  return value.has_value();
}

// The only list of KernelSpec's fields. The conversions to attributes and back
// both iterate over it.
template <typename SpecT, typename Fn> void forEachField(SpecT &spec, Fn &&fn) {
  fn("op", spec.op);
  fn("m_class", spec.mClass);
  fn("dtype", spec.dtype);
  fn("layout", spec.layout);
  fn("activation", spec.activation);
  fn("n", spec.n);
  fn("k", spec.k);
  fn("y_stride", spec.yStride);
  fn("y_offset", spec.yOffset);
  fn("accumulate", spec.accumulate);
  fn("has_row_scales", spec.hasRowScales);
  fn("is_joined", spec.isJoined);
  fn("has_bias", spec.hasBias);
  fn("rows_from", spec.rowsFrom);
  fn("scale", spec.scale);
  fn("epsilon", spec.epsilon);
  fn("heads", spec.heads);
  fn("kv_heads", spec.kvHeads);
  fn("head_dim", spec.headDim);
  fn("rope_dim", spec.ropeDim);
  fn("rope", spec.rope);
  fn("qk_norm", spec.qkNorm);
  fn("kv_dtype", spec.kvDtype);
  fn("kv_page_bytes", spec.kvPageBytes);
  fn("cache_group", spec.cacheGroup);
  fn("tile_groups", spec.tiles.rowBlocks);
  fn("tile_tokens", spec.tiles.tokens);
  fn("panel_columns", spec.tiles.panelColumns);
  fn("prefetch_bytes", spec.tiles.prefetchBytes);
  fn("prefetch_hint", spec.tiles.prefetchHint);
  fn("ranges", spec.ranges);
}

/// Makes the overloads of nameOf() and fromName() available to SpecFields.h.
struct KernelNames {
  template <typename E> static std::string_view of(E value) {
    return nameOf(value);
  }
  template <typename E> static bool parse(std::string_view name, E &value) {
    return fromName(name, value);
  }
};

constexpr auto kEach = [](auto &spec, auto fn) { forEachField(spec, fn); };

} // namespace

DictionaryAttr kernelSpecToAttr(MLIRContext *context, const KernelSpec &spec) {
  return specToAttr<KernelNames>(context, spec, kEach);
}

Result<KernelSpec> kernelSpecFromAttr(DictionaryAttr attr) {
  KernelSpec spec;
  AIR_RETURN_IF_ERROR(specFromAttr<KernelNames>(attr, spec, kEach));
  return spec;
}

Arithmetic arithmeticOf(const KernelSpec &spec) {
  auto same = [](codegen::Arithmetic a, Arithmetic b) {
    return static_cast<uint32_t>(a) == static_cast<uint32_t>(b);
  };
  static_assert(same(codegen::Arithmetic::Float32, Arithmetic::Float32) &&
                same(codegen::Arithmetic::Int8, Arithmetic::Int8) &&
                same(codegen::Arithmetic::Int15, Arithmetic::Int15) &&
                same(codegen::Arithmetic::BFloat16, Arithmetic::BFloat16));
  return static_cast<Arithmetic>(codegen::arithmeticOf(spec));
}

BindingKind kindOf(const codegen::KernelBinding &binding) {
  auto same = [](codegen::BindingKind a, BindingKind b) {
    return static_cast<uint32_t>(a) == static_cast<uint32_t>(b);
  };
  static_assert(same(codegen::BindingKind::Tensor, BindingKind::Tensor) &&
                same(codegen::BindingKind::Buffer, BindingKind::Buffer) &&
                same(codegen::BindingKind::Kv, BindingKind::Kv) &&
                same(codegen::BindingKind::Batch, BindingKind::Batch));
  return static_cast<BindingKind>(binding.kind);
}

Access accessOf(const codegen::KernelBinding &binding) {
  auto same = [](codegen::BindingAccess a, Access b) {
    return static_cast<uint32_t>(a) == static_cast<uint32_t>(b);
  };
  static_assert(same(codegen::BindingAccess::Read, Access::Read) &&
                same(codegen::BindingAccess::Write, Access::Write) &&
                same(codegen::BindingAccess::ReadWrite, Access::ReadWrite));
  return static_cast<Access>(binding.access);
}

} // namespace air::ir::plan
