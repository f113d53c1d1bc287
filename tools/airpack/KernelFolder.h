//===- KernelFolder.h - where airpack keeps compiled kernels ----*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRPACK_KERNELFOLDER_H
#define AIRPACK_TOOLS_AIRPACK_KERNELFOLDER_H

#include "codegen/KernelCache.h"
#include "tools/cli/CommandLine.h"

#include <memory>

namespace air {

/// The option --kernel-cache.
cli::Option kernelCacheOption();

/// Opens the cache of compiled kernels in the folder that --kernel-cache names.
/// Returns null for "none". Without the option, the folder is
/// "airpack/kernels" in the user's cache folder, and the result is null if this
/// folder cannot be used.
///
/// Errors: Usage if the option is empty; those of KernelCache::open() for the
/// folder that it names.
Result<std::shared_ptr<const codegen::KernelCache>>
openKernelCache(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_KERNELFOLDER_H
