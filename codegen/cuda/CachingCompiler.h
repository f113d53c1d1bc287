//===- CachingCompiler.h - code that is not compiled twice ------*- C++ -*-===//
#ifndef AIRPACK_CODEGEN_CUDA_CACHINGCOMPILER_H
#define AIRPACK_CODEGEN_CUDA_CACHINGCOMPILER_H

#include "codegen/KernelCache.h"
#include "codegen/cuda/CudaSpec.h"

#include <memory>

namespace air::codegen::cuda {

/// Returns a compiler that does what `compiler` does, but takes code from
/// `cache` if a kernel of the same name and text has been compiled earlier by
/// the same version of `compiler`, for the same architecture and in the same
/// form. Other code is compiled and stored in `cache`. Neither argument may be
/// null.
std::shared_ptr<const CudaCompiler>
withCache(std::shared_ptr<const CudaCompiler> compiler,
          std::shared_ptr<const KernelCache> cache);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CACHINGCOMPILER_H
