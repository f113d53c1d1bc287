//===- PlanEnums.td - the enums of a plan ------------------*- tablegen -*-===//
//
// The values equal those of the enums in formats/plan/plan.fbs, as
// PlanDialect.cpp asserts. Only Recipe has no counterpart there.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_PLANENUMS_TD
#define AIRPACK_COMPILER_DIALECT_PLAN_PLANENUMS_TD

include "mlir/IR/EnumAttr.td"

class Plan_Enum<string name, string summary, list<EnumCase> cases>
    : I32Enum<name, summary, cases> {
  let cppNamespace = "::air::ir::plan";
}

def Plan_StepKind : Plan_Enum<"StepKind", "what a step does", [
  I32EnumCase<"Embed", 0, "embed">,
  I32EnumCase<"AttnIn", 1, "attn_in">,
  I32EnumCase<"Attn", 2, "attn">,
  I32EnumCase<"AttnOut", 3, "attn_out">,
  I32EnumCase<"FfnIn", 4, "ffn_in">,
  I32EnumCase<"FfnOut", 5, "ffn_out">,
  I32EnumCase<"Head", 6, "head">,
  I32EnumCase<"Norm", 16, "norm">,
  I32EnumCase<"MatMul", 17, "matmul">,
  I32EnumCase<"Add", 18, "add">,
  I32EnumCase<"Glu", 19, "glu">,
  I32EnumCase<"Positions", 32, "positions">
]>;

def Plan_RowsFrom : Plan_Enum<"RowsFrom", "which rows of a batch", [
  I32EnumCase<"Tokens", 0, "tokens">,
  I32EnumCase<"Outputs", 1, "outputs">
]>;

def Plan_Access : Plan_Enum<"Access", "what a kernel does to a binding", [
  I32EnumCase<"Read", 1, "read">,
  I32EnumCase<"Write", 2, "write">,
  I32EnumCase<"ReadWrite", 3, "read_write">
]>;

def Plan_BindingKind : Plan_Enum<"BindingKind", "what a binding is", [
  I32EnumCase<"Tensor", 0, "tensor">,
  I32EnumCase<"Buffer", 1, "buffer">,
  I32EnumCase<"Kv", 2, "kv">,
  I32EnumCase<"Batch", 3, "batch">
]>;

def Plan_BatchArray : Plan_Enum<"BatchArray", "an array of a batch", [
  I32EnumCase<"TokenIds", 0, "token_ids">,
  I32EnumCase<"Positions", 1, "positions">,
  I32EnumCase<"RopePositions", 2, "rope_positions">,
  I32EnumCase<"TokenCount", 3, "token_count">,
  I32EnumCase<"Sequences", 4, "sequences">,
  I32EnumCase<"TileCount", 5, "tile_count">,
  I32EnumCase<"Tiles", 6, "tiles">,
  I32EnumCase<"OutputCount", 7, "output_count">,
  I32EnumCase<"OutputRows", 8, "output_rows">,
  I32EnumCase<"BlockTables", 9, "block_tables">
]>;

def Plan_Arithmetic : Plan_Enum<"Arithmetic", "the arithmetic of a kernel", [
  I32EnumCase<"Float32", 0, "float32">,
  I32EnumCase<"Int8", 1, "int8">,
  I32EnumCase<"Int15", 2, "int15">,
  I32EnumCase<"BFloat16", 3, "bfloat16">,
  I32EnumCase<"Float16", 4, "float16">
]>;

def Plan_Recipe : Plan_Enum<"Recipe", "how a tensor is made from the source", [
  // Packs one matrix into the tensor's layout.
  I32EnumCase<"Copy", 0, "copy">,
  // Concatenates the rows of several matrices of the same dtype and packs them.
  I32EnumCase<"Concat", 1, "concat">,
  // Concatenates vectors and stores every element as F32.
  I32EnumCase<"Vector", 2, "vector">,
  // Computes the RoPE frequencies that the attribute `rope` describes, as F64.
  I32EnumCase<"InverseFrequencies", 3, "inverse_frequencies">,
  // For each row of each matrix, stores the scale of the matrix as F32.
  I32EnumCase<"RowScales", 4, "row_scales">,
  // Packs the rows of two matrices alternately: 8 rows of the first matrix, 8
  // rows of the second, and so on.
  I32EnumCase<"Interleave", 5, "interleave">,
  // Packs two matrices of equal shape as one: each of its rows is a row of the
  // first matrix followed by that row of the second one.
  I32EnumCase<"Join", 6, "join">
]>;

def Plan_SegmentKind : Plan_Enum<"SegmentKind", "what a segment holds", [
  I32EnumCase<"Weights", 0, "weights">,
  I32EnumCase<"Kernels", 1, "kernels">,
  I32EnumCase<"Table", 2, "table">
]>;

def Plan_Codec : Plan_Enum<"Codec", "how a segment is stored", [
  I32EnumCase<"None", 0, "none">,
  I32EnumCase<"Zstd", 1, "zstd">,
  I32EnumCase<"Planes", 2, "planes">
]>;

def Plan_Tier : Plan_Enum<"Tier", "where bytes live while the plan runs", [
  I32EnumCase<"Vram", 0, "vram">,
  I32EnumCase<"Ram", 1, "ram">
]>;

def Plan_DecidedBy : Plan_Enum<"DecidedBy", "who set a value", [
  I32EnumCase<"Default", 0, "default">,
  I32EnumCase<"User", 1, "user">,
  I32EnumCase<"Model", 2, "model">,
  I32EnumCase<"Solver", 3, "solver">
]>;

#endif // AIRPACK_COMPILER_DIALECT_PLAN_PLANENUMS_TD
