//===- KernelTable.h - the kernels of a plan for a GPU ----------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRPACK_KERNELTABLE_H
#define AIRPACK_TOOLS_AIRPACK_KERNELTABLE_H

#include "formats/plan/PlanFile.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace air {

/// A line for each GPU kernel: the registers of a thread, the threads and the
/// shared memory of a block, the size of the code, and the name. Figures that
/// the machine code does not state are shown as "?", and so are those of a
/// kernel that has only PTX. Returns "" if the plan uses no GPU. Fails with
/// VerificationFailed if a digest of the kernels is wrong.
Result<std::string> kernelTable(const PlanFile &file);

/// The contents of kernelTable() as a list of objects. Figures that are not
/// known are left out.
Result<nlohmann::ordered_json> kernelsAsJson(const PlanFile &file);

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_KERNELTABLE_H
