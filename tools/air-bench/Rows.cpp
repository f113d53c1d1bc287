//===- Rows.cpp - the registry's rows on real shapes ----------------------===//
#include "tools/air-bench/Rows.h"

#include "codegen/cpu/KernelRegistry.h"
#include "formats/abi/KernelAbi.h"
#include "tools/air-bench/Shapes.h"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace air::bench {
namespace {

using codegen::Activation;
using codegen::KernelOp;
using codegen::KernelRow;
using codegen::KernelSpec;
using codegen::MClass;
using codegen::Precision;

constexpr std::array kCommonDTypes = {DType::F16, DType::Q8_0, DType::Q4_0,
                                      DType::Q4_K, DType::Q6_K};
constexpr float kEpsilon = 1e-5F;

std::string lowerCase(std::string_view text) {
  std::string lower;
  for (char c : text) {
    lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return lower;
}

class RowMaker {
public:
  explicit RowMaker(std::vector<BenchRow> &rows) : rows(rows) {}
  void make(const KernelRow &kernel);

private:
  void add(const KernelRow &kernel, const KernelSpec &spec,
           const std::string &axes, const std::string &shape, MClass mClass,
           uint32_t tokens, uint32_t context = 0);
  /// Adds one benchmark for each MClass or, if the kernel's code does not
  /// depend on the MClass, for each entry of kPlainTokens.
  void addAll(const KernelRow &kernel, const KernelSpec &spec,
              const std::string &axes, const std::string &shape,
              uint32_t context = 0);
  void makeMatrix(const KernelRow &kernel, const MatrixShape &shape);
  void makeWidth(const KernelRow &kernel, uint64_t width);
  void makeHeads(const KernelRow &kernel, const HeadShape &shape,
                 DType kvDtype);
  void makeAttention(const KernelRow &kernel, KernelSpec spec, uint64_t layers,
                     const std::string &axes, const std::string &heads);

  std::vector<BenchRow> &rows;
  bool isCommon = true;
  Precision precision = Precision::Float; ///< of a matmul's activations
};

void RowMaker::add(const KernelRow &kernel, const KernelSpec &spec,
                   const std::string &axes, const std::string &shape,
                   MClass mClass, uint32_t tokens, uint32_t context) {
  BenchRow row;
  row.spec = spec;
  row.spec.op = kernel.op;
  row.spec.mClass = mClass;
  if (kernel.op == KernelOp::MatMul || kernel.op == KernelOp::GluMatMul) {
    row.spec.activation = codegen::activationFor(precision, mClass, spec.dtype);
  }
  row.tokens = tokens;
  row.context = context;
  row.isCommon = isCommon;
  row.name = std::string(kernel.name) + "/" + axes + "/m" +
             std::to_string(tokens) + shape;
  rows.push_back(std::move(row));
}

void RowMaker::addAll(const KernelRow &kernel, const KernelSpec &spec,
                      const std::string &axes, const std::string &shape,
                      uint32_t context) {
  if (!kernel.hasMClasses) {
    for (uint32_t tokens : kPlainTokens) {
      add(kernel, spec, axes, shape, MClass::One, tokens, context);
    }
    return;
  }
  for (size_t i = 0; i < kClassTokens.size(); ++i) {
    add(kernel, spec, axes, shape, static_cast<MClass>(i), kClassTokens[i],
        context);
  }
}

void RowMaker::makeMatrix(const KernelRow &kernel, const MatrixShape &shape) {
  for (DType dtype : kernel.dtypes) {
    for (Layout layout : kernel.layouts) {
      KernelSpec spec;
      spec.dtype = dtype;
      spec.layout = layout;
      spec.n = shape.n;
      spec.k = shape.k;
      spec.yStride = kernel.op == KernelOp::MatMul ? shape.n : 0;
      isCommon = layout == kernel.layouts.front() &&
                 std::ranges::count(kCommonDTypes, dtype) != 0;
      const std::string axes =
          lowerCase(info(dtype).name) + "/" + std::string(layoutName(layout));
      const std::string sizes =
          "/n" + std::to_string(shape.n) + "/k" + std::to_string(shape.k);
      addAll(kernel, spec, axes, sizes);
      if (layout == Layout::X16 &&
          std::ranges::count(kernel.int8DTypes, dtype) != 0) {
        // These kernels are not run by default, because not every machine
        // supports them.
        isCommon = false;
        precision = Precision::Int15;
        addAll(kernel, spec, axes + "/i8x2", sizes);
        precision = Precision::Int8;
        addAll(kernel, spec, axes + "/i8", sizes);
        precision = Precision::Bf16;
        add(kernel, spec, axes + "/bf16x32", sizes, MClass::Large,
            kClassTokens.back());
        precision = Precision::Float;
      }
      if (dtype == DType::BF16 && kernel.op != KernelOp::EmbedRows) {
        isCommon = false;
        precision = Precision::Int8;
        // For BF16 weights, the kernels for Precision::Int8 and
        // Precision::Float differ only if the MClass is Large.
        add(kernel, spec, axes + "/bf16x32", sizes, MClass::Large,
            kClassTokens.back());
        precision = Precision::Float;
      }
    }
  }
  isCommon = true;
}

void RowMaker::makeWidth(const KernelRow &kernel, uint64_t width) {
  KernelSpec spec;
  spec.k = width;
  spec.epsilon = kernel.op == KernelOp::RmsNorm ? kEpsilon : 0.0F;
  addAll(kernel, spec, "f32", "/k" + std::to_string(width));
}

void RowMaker::makeHeads(const KernelRow &kernel, const HeadShape &shape,
                         DType kvDtype) {
  isCommon = kvDtype == DType::F16;
  KernelSpec spec;
  spec.heads = shape.heads;
  spec.kvHeads = shape.kvHeads;
  spec.headDim = shape.headDim;
  spec.kvDtype = kvDtype;
  spec.kvPageBytes = shape.kvHeads * 2 * shape.headDim * AIR_KV_PAGE_TOKENS *
                     info(kvDtype).blockBytes;
  const std::string axes = lowerCase(info(kvDtype).name);
  const std::string heads = "/h" + std::to_string(shape.heads) + "/kvh" +
                            std::to_string(shape.kvHeads) + "/d" +
                            std::to_string(shape.headDim);
  if (kernel.op == KernelOp::RopeAppend) {
    spec.ropeDim = shape.headDim;
    spec.rope = codegen::RopeKind::Norm;
    addAll(kernel, spec, axes, heads);
  } else {
    spec.scale = 1.0F / std::sqrt(static_cast<float>(shape.headDim));
    makeAttention(kernel, spec, shape.layers, axes, heads);
  }
  isCommon = true;
}

void RowMaker::makeAttention(const KernelRow &kernel, KernelSpec spec,
                             uint64_t layers, const std::string &axes,
                             const std::string &heads) {
  const uint64_t layerBytes = spec.kvPageBytes;
  // Returns `spec` with KV pages that hold all layers of the model. If the
  // pages for `positions` positions would then take more than kMostKvBytes,
  // they hold only as many layers as fit.
  auto inModel = [&](uint64_t positions) {
    const uint64_t pages = positions / AIR_KV_PAGE_TOKENS;
    KernelSpec paged = spec;
    paged.kvPageBytes =
        layerBytes *
        std::clamp<uint64_t>(kMostKvBytes / (pages * layerBytes), 1, layers);
    return paged;
  };
  auto shapeOf = [&](uint32_t context) {
    return heads + "/ctx" + std::to_string(context);
  };
  auto addSplit = [&](uint32_t context) {
    KernelSpec split = inModel(context);
    split.ranges = codegen::attentionRanges(split.kvHeads, context);
    if (split.ranges != 1) {
      add(kernel, split, axes, shapeOf(context) + "/split", MClass::One, 1,
          context);
    }
  };
  for (uint32_t context : kContexts) {
    for (size_t i = 0; i < kClassTokens.size(); ++i) {
      const auto mClass = static_cast<MClass>(i);
      // If the MClass is Small, each token belongs to a sequence of its own,
      // which has `context` positions in the KV cache. If the MClass is Large,
      // all tokens belong to one sequence.
      const uint64_t sequences = mClass == MClass::Small ? kClassTokens[i] : 1;
      add(kernel, inModel(sequences * context), axes, shapeOf(context), mClass,
          kClassTokens[i], context);
    }
    addSplit(context);
  }
  isCommon = false;
  for (uint32_t context : kLongContexts) {
    add(kernel, inModel(context), axes, shapeOf(context), MClass::One, 1,
        context);
    addSplit(context);
  }
  for (uint32_t context : kLongPrompts) {
    add(kernel, inModel(context), axes, shapeOf(context), MClass::Large,
        kClassTokens.back(), context);
  }
}

// The switch has no default label, so that the code does not compile if an op
// has no benchmarks.
void RowMaker::make(const KernelRow &kernel) {
  switch (kernel.op) {
  case KernelOp::EmbedRows:
    for (const MatrixShape &shape : kTables) {
      makeMatrix(kernel, shape);
    }
    return;
  case KernelOp::MatMul:
    for (const MatrixShape &shape : kProjections) {
      makeMatrix(kernel, shape);
    }
    return;
  case KernelOp::GluMatMul:
    for (const MatrixShape &shape : kGatedProjections) {
      makeMatrix(kernel, shape);
    }
    return;
  case KernelOp::RmsNorm:
  case KernelOp::Add:
    for (uint64_t width : kWidths) {
      makeWidth(kernel, width);
    }
    return;
  case KernelOp::PackActivations:
    for (Activation format :
         {Activation::F32x16, Activation::I8x2, Activation::I8,
          Activation::I8Grid, Activation::BF16x32}) {
      for (uint64_t width : kWidths) {
        KernelSpec spec;
        spec.activation = format;
        spec.k = width;
        addAll(kernel, spec, std::string(codegen::activationName(format)),
               "/k" + std::to_string(width));
      }
    }
    return;
  case KernelOp::SiluMul:
    for (uint64_t width : kFeedForwardWidths) {
      makeWidth(kernel, width);
    }
    return;
  case KernelOp::RopeAngles:
    for (const HeadShape &shape : kHeads) {
      KernelSpec spec;
      spec.ropeDim = shape.headDim;
      addAll(kernel, spec, "f32", "/d" + std::to_string(shape.headDim));
    }
    return;
  case KernelOp::AttentionMerge:
    for (const HeadShape &shape : kHeads) {
      KernelSpec spec;
      spec.heads = shape.heads;
      spec.kvHeads = shape.kvHeads;
      spec.headDim = shape.headDim;
      spec.ranges = codegen::attentionRanges(shape.kvHeads, kContexts.back());
      add(kernel, spec, "f32",
          "/h" + std::to_string(shape.heads) + "/d" +
              std::to_string(shape.headDim) + "/ranges" +
              std::to_string(spec.ranges),
          MClass::One, 1);
    }
    return;
  case KernelOp::RopeAppend:
  case KernelOp::Attention:
    for (const HeadShape &shape : kHeads) {
      makeHeads(kernel, shape, DType::F16);
      makeHeads(kernel, shape, DType::F32);
    }
    return;
  }
}

} // namespace

std::vector<BenchRow> benchRows() {
  std::vector<BenchRow> rows;
  RowMaker maker(rows);
  for (const KernelRow &kernel : codegen::kernelRegistry()) {
    maker.make(kernel);
  }
  return rows;
}

} // namespace air::bench
