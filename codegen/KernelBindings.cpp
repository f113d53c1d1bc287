//===- KernelBindings.cpp - a kernel's operands, in order -----------------===//
#include "codegen/KernelBindings.h"

namespace air::codegen {

std::vector<KernelBinding> kernelBindings(const KernelSpec &spec) {
  using enum BindingAccess;
  auto buffer = [](const char *name, BindingAccess access, uint64_t words,
                   RowsFrom rowsFrom = RowsFrom::Tokens) {
    KernelBinding binding{name, BindingKind::Buffer, access, words};
    binding.rowsFrom = rowsFrom;
    return binding;
  };
  auto vector = [](const char *name, uint64_t elements) {
    return KernelBinding{name, BindingKind::Tensor, Read, elements};
  };
  auto matrixOf = [&](const char *name, uint64_t columns) {
    return KernelBinding{name,   BindingKind::Tensor, Read,       columns,
                         spec.n, spec.dtype,          spec.layout};
  };
  auto matrix = [&](const char *name) { return matrixOf(name, spec.k); };
  auto kv = [](BindingAccess access) {
    return KernelBinding{"kv", BindingKind::Kv, access};
  };
  uint64_t qkv = (spec.heads + 2 * spec.kvHeads) * spec.headDim;
  // The number of 32-bit words in a row of a matmul's x, which may be packed.
  uint64_t x = activationWords(spec.activation, spec.k);
  switch (spec.op) {
  case KernelOp::EmbedRows:
    return {matrix("table"), buffer("x", Write, spec.k)};
  case KernelOp::RmsNorm:
    // RmsNorm's x has a row for every token of the batch, even when its y has
    // rows only for the requested outputs.
    return {buffer("x", Read, spec.k), vector("weight", spec.k),
            buffer("y", Write, spec.k, spec.rowsFrom)};
  case KernelOp::MatMul: {
    std::vector<KernelBinding> bindings = {buffer("x", Read, x, spec.rowsFrom),
                                           matrix("w")};
    if (spec.hasRowScales) {
      bindings.push_back(vector("rowScale", spec.n));
    }
    if (spec.hasBias) {
      bindings.push_back(vector("bias", spec.n));
    }
    bindings.push_back(buffer("y", spec.accumulate ? ReadWrite : Write,
                              spec.yStride, spec.rowsFrom));
    return bindings;
  }
  case KernelOp::GluMatMul: {
    std::vector<KernelBinding> bindings = {buffer("x", Read, x, spec.rowsFrom)};
    if (spec.isJoined) {
      bindings.push_back(matrixOf("wGateUp", 2 * spec.k));
    } else {
      bindings.push_back(matrix("wGate"));
      bindings.push_back(matrix("wUp"));
    }
    if (spec.hasRowScales) {
      bindings.push_back(vector("gateScale", spec.n));
      bindings.push_back(vector("upScale", spec.n));
    }
    bindings.push_back(buffer("h", Write, spec.n, spec.rowsFrom));
    return bindings;
  }
  case KernelOp::RopeAngles: {
    KernelBinding table = vector("inverseFrequency", spec.ropeDim / 2);
    table.dtype = DType::F64;
    return {table, buffer("angles", Write, spec.ropeDim)};
  }
  case KernelOp::RopeAppend: {
    std::vector<KernelBinding> bindings = {
        buffer("qkv", ReadWrite, qkv), buffer("angles", Read, spec.ropeDim)};
    if (spec.qkNorm) {
      bindings.push_back(vector("qNorm", spec.headDim));
      bindings.push_back(vector("kNorm", spec.headDim));
    }
    bindings.push_back(kv(Write));
    return bindings;
  }
  case KernelOp::Attention:
    return {buffer("qkv", Read, qkv), kv(Read),
            buffer("out", Write,
                   spec.ranges == 1 ? spec.heads * spec.headDim
                                    : attentionStateFloats(spec))};
  case KernelOp::AttentionMerge:
    return {buffer("states", Read, attentionStateFloats(spec)),
            buffer("out", Write, spec.heads * spec.headDim)};
  case KernelOp::Add:
    return {buffer("x", Read, spec.k), buffer("y", ReadWrite, spec.k)};
  case KernelOp::SiluMul:
    return {buffer("gate", Read, spec.k), buffer("up", Read, spec.k),
            buffer("y", Write, spec.k)};
  case KernelOp::PackActivations:
    return {buffer("x", Read, spec.k, spec.rowsFrom),
            buffer("xp", Write, x, spec.rowsFrom)};
  }
  return {};
}

} // namespace air::codegen
