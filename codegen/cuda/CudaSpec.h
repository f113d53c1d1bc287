//===- CudaSpec.h - a kernel of a GPU, whatever its kind --------*- C++ -*-===//
//
// What the compiler needs to know about any kernel: its text, its operands, and
// how it becomes machine code.
//
// Thread-safety: pure functions. CudaCompiler::compile() may be called by
// several threads at once.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_CUDASPEC_H
#define AIRPACK_CODEGEN_CUDA_CUDASPEC_H

#include "codegen/KernelBindings.h"
#include "codegen/cuda/BeginStep.h"
#include "codegen/cuda/ChooseToken.h"
#include "codegen/cuda/DecodeAttention.h"
#include "codegen/cuda/PrefillAttention.h"
#include "codegen/cuda/PrefillHeads.h"

#include <memory>
#include <optional>
#include <variant>

namespace air::codegen::cuda {

using CudaSpec =
    std::variant<BeginStep, DecodeMatMul, DecodeAttention, PrefillInput,
                 PrefillMatMul, PrefillHeads, PrefillAttention, ChooseToken>;

/// Generates the kernel that `spec` describes. Errors are those of the
/// generator.
Result<CudaKernel> generateKernel(const CudaSpec &spec,
                                  const CudaTarget &target,
                                  std::string_view intrinsics);

/// The arrays of a batch, in the order of BatchArray in plan.fbs.
enum class BatchArray : uint32_t {
  TokenIds,
  Positions,
  RopePositions,
  TokenCount,
  Sequences,
  TileCount,
  Tiles,
  OutputCount,
  OutputRows,
  BlockTables
};

/// An operand of a kernel.
struct CudaBinding {
  std::string name; ///< as in CudaKernel::bindings
  BindingKind kind = BindingKind::Buffer;
  BindingAccess access = BindingAccess::Read;
  BatchArray array = BatchArray::TokenIds; ///< for BindingKind::Batch
  DType dtype = DType::F32;                ///< of a tensor
  Layout layout = Layout::Rows;            ///< of a tensor
  /// The size of a tensor, or how much of a buffer the kernel may access. 0 for
  /// a binding of another kind, and for a buffer that the kernel does not
  /// access.
  uint64_t bytes = 0;
};

/// Returns the operands of `kernel`, which generateKernel(spec) has returned,
/// in the order of its arguments.
std::vector<CudaBinding> cudaBindings(const CudaSpec &spec,
                                      const CudaKernel &kernel);

/// Whether the kernel computes a row for each output that a batch requests, and
/// not for each of its tokens.
bool computesOutputs(const CudaSpec &spec);

/// Whether the kernel may be launched before the previous kernel has ended.
bool hasDependentLaunch(const CudaSpec &spec);

/// The number of operations of a matmul per token; 0 for other kernels.
uint64_t flopsPerToken(const CudaSpec &spec);

/// The bytes of weights that `kernel`, the result of generateKernel(spec),
/// reads: its matrix, or one row of the embedding table.
uint64_t weightBytesRead(const CudaSpec &spec, const CudaKernel &kernel);

/// What a kernel is compiled to: machine code for one architecture, or PTX. PTX
/// is text that ends with a zero byte. A GPU's driver compiles it.
enum class CodeForm : uint8_t { Cubin, Ptx };

/// Compiles the text of kernels. Production code uses NVRTC; tests can make
/// kernels for an emulator.
class CudaCompiler {
public:
  virtual ~CudaCompiler() = default;

  /// The text of the functions ap_* that the kernels call.
  virtual std::string_view intrinsics() const = 0;

  /// The name and the version of the compiler, on which its output depends.
  virtual std::string version() const = 0;

  /// Compiles `text`, whose only kernel is called `name`.
  virtual Result<std::vector<uint8_t>> compile(const std::string &text,
                                               const std::string &name,
                                               const CudaTarget &target,
                                               CodeForm form) const = 0;

  /// Returns the number of parameters of a kernel in machine code that
  /// compile() returned, or nothing if the code does not state it. The second
  /// argument is the kernel's name.
  virtual Result<std::optional<uint32_t>>
  parameters(std::span<const uint8_t>, const std::string &) const {
    return std::optional<uint32_t>();
  }
};

/// Opens NVRTC from the loader's search path or /usr/local/cuda. An Unsupported
/// error says how to get it.
Result<std::shared_ptr<const CudaCompiler>> openNvrtcCompiler();

/// Returns a compiler that does what `compiler` does, but keeps the code in
/// memory, so that a text that it has compiled is not compiled again for the
/// same architecture in the same form.
std::shared_ptr<const CudaCompiler>
withMemory(std::shared_ptr<const CudaCompiler> compiler);

/// Compiles kernels on up to `threads` threads. The results are in the order of
/// `kernels`, and do not depend on `threads`. Equal texts are compiled once.
/// The error is that of the first kernel in the list that cannot be compiled.
/// It is Internal if the machine code of a kernel does not have one parameter
/// for each binding.
Result<std::vector<std::vector<uint8_t>>>
compileKernels(const std::vector<CudaKernel> &kernels, const CudaTarget &target,
               CodeForm form, const CudaCompiler &compiler, unsigned threads);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CUDASPEC_H
