//===- CudaLowering.h - fused steps -> kernels of a GPU ---------*- C++ -*-===//
//
// The part of select-kernels for NVIDIA GPUs. It creates the tensors, the
// buffers and the programs of a plan that runs on a GPU. The GPU runs all
// steps, or only the steps from some layer on. If it runs all steps, the step
// `embed` also computes the angles of RoPE. Otherwise, the CPU computes the
// residual stream up to the first layer of the GPU, and the GPU's first step,
// "gpu.positions", copies the residual stream to the GPU and computes the
// angles.
//
// A plan has the programs "m1", "m2-8", "m9-64" and "m65-N", where N is the
// largest number of tokens of a batch. If N is at most 64, the last program
// ends at N: with N = 4, the programs are "m1" and "m2-4". The tokens of a
// batch may belong to any sequences.
//
// Programs for up to 8 tokens have the kernels of a decode step. These always
// compute the largest number of tokens for which the program is made, so the
// runtime pads smaller batches. Every token has a row of its own in the block
// tables. The other programs have the kernels of a prefill (CudaPrefill.h),
// which compute only the tokens of the batch and, in the step `head`, only the
// requested rows.
//
// In programs for up to 8 tokens, each fused step is a single dispatch, with
// three exceptions:
//   - q, k and v are divided into groups in which all dtypes are equal and
//     either all or none of the matrices have a bias. Each group has a
//     dispatch.
//   - gate and up are stored as one matrix if their dtypes are equal and their
//     number of rows is a multiple of 8. Otherwise, each has a dispatch.
//   - `head` has a second dispatch, which chooses the next token from the
//     logits (codegen/cuda/ChooseToken.h), unless the vocabulary has more than
//     2^24 tokens.
// Matrices have layout t16 or t16i (weightLayout() in
// codegen/cuda/WeightForm.h). A tied table is stored twice, because embeddings
// are read by rows.
//
// Errors: An Unsupported error says what cannot be computed and, unless it
// concerns several layers, names the step.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_CUDALOWERING_H
#define AIRPACK_COMPILER_TRANSFORMS_CUDALOWERING_H

#include "codegen/cuda/CudaSpec.h"
#include "compiler/transforms/LoweringContext.h"

namespace air::compiler {

class CudaLowering : LoweringContext {
public:
  /// The largest number of tokens that a kernel of a decode step processes.
  static constexpr uint32_t kDecodeTokens = 8;

  /// The KV cache `kv` must be on the GPU. The GPU of `profile` must have the
  /// architecture `target`. Batches have up to `maxTokens` tokens and request
  /// up to `maxOutputs` rows of logits. `maxOutputs` must be at least the
  /// smaller of maxTokens and kDecodeTokens. New ops are inserted before
  /// `graph`.
  CudaLowering(ir::plan::GraphOp graph, ir::plan::KvOp kv,
               const MachineProfile &profile,
               const codegen::cuda::CudaTarget &target, uint32_t maxTokens,
               uint32_t maxOutputs, GraphPart part = {});

  /// States that the CPU computes `value` and stores it in the buffer `from`,
  /// from which the first step of the GPU copies it. Must be called before
  /// run() if the `part` that the constructor was given begins after the first
  /// op of the graph.
  void takeFromCpu(mlir::Value value, llvm::StringRef from) {
    taken = value;
    takenFrom = from.str();
  }

  Status run();

private:
  /// A kernel, and what each of its operands is bound to, keyed by the
  /// operand's name. `spec` is for one token; kernelsFor() makes the kernels of
  /// each program from it. createDispatch() binds the arrays of the batch and
  /// the buffers that all kernels share.
  struct Dispatch {
    codegen::cuda::CudaSpec spec;
    llvm::StringMap<mlir::Attribute> operands;
  };
  struct Step {
    ir::plan::StepKind kind;
    int64_t layer = -1;
    std::string name;
    std::vector<Dispatch> dispatches;
    mlir::FlatSymbolRefAttr copyFrom; ///< null if the step copies nothing
    mlir::FlatSymbolRefAttr copyTo;
  };
  /// One, two or all of a layer's matrices q, k and v. Their dtypes are equal,
  /// and either all or none of them have a bias.
  struct HeadGroup {
    llvm::SmallVector<ir::plan::WeightAttr> weights;
    llvm::SmallVector<ir::plan::WeightAttr> biases;
    codegen::cuda::HeadRows heads; ///< only the numbers of heads are set
  };

  Status lower(mlir::Operation *op);
  void lowerTaken();
  void addAngles(codegen::cuda::BeginStep &spec,
                 llvm::StringMap<mlir::Attribute> &operands);
  Status lowerEmbed(ir::plan::EmbedOp op);
  Status lowerAttnIn(ir::plan::AttnInOp op);
  Status lowerAttn(ir::plan::AttnOp op);
  Status lowerProjectAdd(mlir::Value x, mlir::Value residual,
                         mlir::Value result, ir::plan::WeightAttr weight,
                         ir::plan::WeightAttr bias);
  Status lowerFfnIn(ir::plan::FfnInOp op);
  Status lowerHead(ir::plan::HeadOp op);

  static std::vector<HeadGroup> headGroups(ir::plan::AttnInOp op);
  codegen::cuda::KvPages pages() const;
  /// Adds a dispatch to the current step that multiplies by the given matrices,
  /// which `recipe` combines into one tensor. Sets the fields of `spec` that
  /// describe the matrices and the device, and adds weights, bias and row
  /// scales to `operands`.
  Status addMatMul(codegen::cuda::DecodeMatMul spec,
                   llvm::StringMap<mlir::Attribute> operands,
                   llvm::ArrayRef<ir::plan::WeightAttr> weights,
                   llvm::ArrayRef<ir::plan::WeightAttr> biases,
                   ir::plan::Recipe recipe);
  /// Makes a matmul normalise its input, if there is a norm.
  void addNorm(codegen::cuda::DecodeMatMul &spec,
               llvm::StringMap<mlir::Attribute> &operands,
               ir::plan::WeightAttr norm, mlir::FloatAttr epsilon);

  /// Creates the program for batches of `minTokens` to `tokens` tokens.
  Status createProgram(uint32_t minTokens, uint32_t tokens);
  /// Returns the kernels that compute for up to `tokens` tokens what `spec`
  /// computes for one token.
  std::vector<codegen::cuda::CudaSpec>
  kernelsFor(const codegen::cuda::CudaSpec &spec, ir::plan::StepKind step,
             uint32_t tokens) const;
  Status createDispatch(const codegen::cuda::CudaSpec &spec,
                        const llvm::StringMap<mlir::Attribute> &operands);
  /// Returns the buffer `name`, which all kernels share. Creates it, or makes
  /// it larger, so that it has at least `bytes` bytes.
  mlir::Attribute sharedBuffer(llvm::StringRef name, uint64_t bytes,
                               bool isZeroed);

  const codegen::cuda::CudaTarget &cuda;
  uint32_t multiprocessors;
  uint64_t memoryBandwidth; ///< of VRAM, in bytes/s; 0: not known
  uint32_t maxTokens;
  uint32_t maxOutputs;
  ir::plan::RopeAttr rope;
  std::string angles; ///< the buffer of RoPE's angles; "": no RoPE
  mlir::Value taken;  ///< the value that the CPU has computed, if any
  std::string takenFrom;
  std::vector<Step> steps;
  ir::plan::ProgramOp firstProgram;
  /// The buffers that several kernels share, by name.
  llvm::StringMap<ir::plan::BufferOp> shared;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_CUDALOWERING_H
