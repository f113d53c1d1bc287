//===- LlmDialect.h - the model as a graph ----------------------*- C++ -*-===//
//
// The C++ side of the .td files in this folder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_LLM_LLMDIALECT_H
#define AIRPACK_COMPILER_DIALECT_LLM_LLMDIALECT_H

#include "formats/dtype/DType.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace air::ir::llm {

/// The KV cache as an MLIR side-effect resource: attention appends to it and
/// reads it.
struct KvCacheResource
    : public mlir::SideEffects::Resource::Base<KvCacheResource> {
  llvm::StringRef getName() final { return "KvCache"; }
};

/// The maximum number of elements of a weight. The limit ensures that the size
/// in bytes of several concatenated weights, in any layout, fits in 63 bits.
inline constexpr int64_t kMaxWeightElements = int64_t{1} << 50;

/// Returns true for tensor<?xKxf32> with K > 0.
bool isActivation(mlir::Type type);
/// Returns true for tensor<?xi32>.
bool isTokenIds(mlir::Type type);
mlir::RankedTensorType tokenIdsType(mlir::MLIRContext *context);
mlir::RankedTensorType activationType(mlir::MLIRContext *context,
                                      int64_t columns);
/// Returns K of an activation, whose type is tensor<?xKxf32>.
int64_t columnsOf(mlir::Value activation);

/// Parses a float64 parameter of an attribute, which may be any literal that
/// MLIR accepts as a float.
mlir::FailureOr<llvm::APFloat> parseF64(mlir::AsmParser &parser);
/// Parses a dtype's bare name, e.g. Q4_K.
mlir::FailureOr<air::DType> parseDTypeName(mlir::AsmParser &parser);

} // namespace air::ir::llm

#include "compiler/dialect/llm/LlmDialect.h.inc"
#include "compiler/dialect/llm/LlmEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "compiler/dialect/llm/LlmAttrs.h.inc"

#define GET_OP_CLASSES
#include "compiler/dialect/llm/LlmOps.h.inc"

namespace air::ir::llm {

// The checks below are shared by the llm and plan dialects. A check that fails
// emits an error on `op` that states the offending numbers.

/// Checks that `weight` is a vector of `elements` elements. `role` names the
/// weight in the error message.
mlir::LogicalResult checkVector(mlir::Operation *op, llvm::StringRef role,
                                WeightAttr weight, int64_t elements);
/// Checks that `weight` is a matrix with `rows` outputs and `columns` inputs.
mlir::LogicalResult checkMatrix(mlir::Operation *op, llvm::StringRef role,
                                WeightAttr weight, int64_t rows,
                                int64_t columns);
/// The maximum number of elements that q, k and v of one token may have
/// together. The limit ensures that sums and products of heads and head_dim fit
/// in 64 bits.
inline constexpr int64_t kMaxRowElements = int64_t{1} << 33;
/// Checks that heads, kv_heads and head_dim are positive, that kv_heads divides
/// heads, and that q, k and v of one token would have at most kMaxRowElements
/// elements together even if there were as many kv_heads as heads.
mlir::LogicalResult checkHeads(mlir::Operation *op, int64_t heads,
                               int64_t kvHeads, int64_t headDim);
/// Checks that rope.dim does not exceed head_dim.
mlir::LogicalResult checkRope(mlir::Operation *op, RopeAttr rope,
                              int64_t headDim);

} // namespace air::ir::llm

#endif // AIRPACK_COMPILER_DIALECT_LLM_LLMDIALECT_H
