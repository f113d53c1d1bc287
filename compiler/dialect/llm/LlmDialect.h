//===- LlmDialect.h - the model as a graph ----------------------*- C++ -*-===//
//
// The C++ side of LlmDialect.td, LlmAttrs.td and LlmOps.td.
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

/// The KV cache that attention appends to and reads.
struct KvCacheResource
    : public mlir::SideEffects::Resource::Base<KvCacheResource> {
  llvm::StringRef getName() final { return "KvCache"; }
};

/// The maximum number of elements of a weight. It ensures that the bytes of
/// several concatenated weights in any layout fit in 63 bits.
inline constexpr int64_t kMaxWeightElements = int64_t{1} << 50;

/// True for tensor<?xKxf32>, K > 0.
bool isActivation(mlir::Type type);
/// True for tensor<?xi32>.
bool isTokenIds(mlir::Type type);
mlir::RankedTensorType tokenIdsType(mlir::MLIRContext *context);
mlir::RankedTensorType activationType(mlir::MLIRContext *context,
                                      int64_t columns);
/// K of tensor<?xKxf32>.
int64_t columnsOf(mlir::Value activation);

/// Parses a float64 of an attribute: any finite or infinite literal.
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

// Checks that both dialects use. Each emits an error on `op` that states both
// numbers.

/// `weight` must be a vector of `elements` elements. `role` names it in the
/// message.
mlir::LogicalResult checkVector(mlir::Operation *op, llvm::StringRef role,
                                WeightAttr weight, int64_t elements);
/// `weight` must be a matrix with `rows` outputs and `columns` inputs.
mlir::LogicalResult checkMatrix(mlir::Operation *op, llvm::StringRef role,
                                WeightAttr weight, int64_t rows,
                                int64_t columns);
/// The maximum number of elements in a row of q, k and v. It ensures that sums
/// and products of heads and head_dim fit in 64 bits.
inline constexpr int64_t kMaxRowElements = int64_t{1} << 33;
/// heads, kv_heads and head_dim must be positive, kv_heads must divide heads,
/// and a row of q, k and v may have at most kMaxRowElements elements.
mlir::LogicalResult checkHeads(mlir::Operation *op, int64_t heads,
                               int64_t kvHeads, int64_t headDim);
/// rope.dim must not exceed head_dim.
mlir::LogicalResult checkRope(mlir::Operation *op, RopeAttr rope,
                              int64_t headDim);

} // namespace air::ir::llm

#endif // AIRPACK_COMPILER_DIALECT_LLM_LLMDIALECT_H
