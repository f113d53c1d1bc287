//===- KernelTable.h - the kernels of a plan for a GPU ----------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRPACK_KERNELTABLE_H
#define AIRPACK_TOOLS_AIRPACK_KERNELTABLE_H

#include "formats/plan/PlanFile.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace air {

/// A table with a line for each GPU kernel: the number of registers per thread,
/// the number of threads per block, the bytes of static and dynamic shared
/// memory per block, the bytes of code, and the name. For a kernel that has
/// only PTX, or whose cubin cannot be read, the registers, the shared memory
/// and the code are shown as "?". Returns "" if the plan uses no GPU. Fails
/// with VerificationFailed if a digest of the kernels is wrong.
Result<std::string> kernelTable(const PlanFile &file);

/// The contents of kernelTable() as a list of objects. Figures that are not
/// known are left out.
Result<nlohmann::ordered_json> kernelsAsJson(const PlanFile &file);

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_KERNELTABLE_H
