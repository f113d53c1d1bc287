//===- KernelTable.cpp - the kernels of a plan for a GPU ------------------===//
#include "tools/airpack/KernelTable.h"

#include "codegen/cuda/Cubin.h"
#include "formats/support/Printable.h"
#include "tools/cli/Output.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace air {
namespace {

struct KernelRow {
  std::string name;
  /// Empty if the code of the kernel is not a cubin that can be read.
  std::optional<codegen::cuda::CubinFacts> facts;
  /// The largest number of threads per block in any launch of the kernel.
  uint32_t threads = 0;
  /// The largest size of the dynamic shared memory of a block in any launch of
  /// the kernel.
  uint32_t sharedBytes = 0;
};

/// The GPU kernels, in the order of the plan's executables.
Result<std::vector<KernelRow>> rowsOf(const PlanFile &file) {
  const plan::Plan &plan = file.plan();
  std::vector<KernelRow> rows;
  std::map<std::pair<uint32_t, uint32_t>, size_t> rowOf;
  for (uint32_t i = 0; i < plan.executables()->size(); ++i) {
    const plan::Executable &executable = *plan.executables()->Get(i);
    if (executable.device() == 0) {
      continue;
    }
    AIR_RETURN_IF_ERROR(file.verifySegment(executable.segment()));
    auto code = file.segmentBytes(executable.segment());
    if (executable.ptx_offset() != 0) {
      code = code.first(executable.ptx_offset());
    }
    for (uint32_t e = 0; e < executable.entries()->size(); ++e) {
      KernelRow row;
      row.name = executable.entries()->Get(e)->str();
      if (const Result<codegen::cuda::CubinFacts> facts =
              codegen::cuda::cubinFacts(code, row.name)) {
        row.facts = *facts;
      }
      rowOf[{i, e}] = rows.size();
      rows.push_back(std::move(row));
    }
  }
  for (const plan::Program *program : *plan.programs()) {
    for (const plan::Step *step : *program->steps()) {
      for (const plan::Dispatch *dispatch : *step->dispatches()) {
        const auto found =
            rowOf.find({dispatch->executable(), dispatch->entry()});
        if (found != rowOf.end()) {
          KernelRow &row = rows[found->second];
          const plan::Launch &launch = *dispatch->launch();
          row.threads = std::max(row.threads, launch.threads());
          row.sharedBytes = std::max(row.sharedBytes, launch.shared_bytes());
        }
      }
    }
  }
  return rows;
}

std::string textOf(const std::optional<uint64_t> &number) {
  return number ? std::to_string(*number) : "?";
}

} // namespace

Result<std::string> kernelTable(const PlanFile &file) {
  AIR_ASSIGN_OR_RETURN(const std::vector<KernelRow> rows, rowsOf(file));
  if (rows.empty()) {
    return std::string();
  }
  const auto line = [](const char *title, const std::string &registers,
                       const std::string &threads, const std::string &shared,
                       const std::string &code, const std::string &name) {
    return cli::format("%-11s%9s %9s %15s %13s  %s\n", title, registers.c_str(),
                       threads.c_str(), shared.c_str(), code.c_str(),
                       name.c_str());
  };
  std::string text = line("kernels", "registers", "threads", "shared (bytes)",
                          "code (bytes)", "name");
  for (const KernelRow &row : rows) {
    std::optional<uint64_t> registers;
    std::optional<uint64_t> shared;
    std::optional<uint64_t> code;
    if (row.facts) {
      registers = row.facts->registers;
      shared = row.facts->staticSharedBytes + row.sharedBytes;
      code = row.facts->codeBytes;
    }
    text +=
        line("", textOf(registers), std::to_string(row.threads), textOf(shared),
             textOf(code), printable(row.name, kShownBytes));
  }
  return text;
}

Result<nlohmann::ordered_json> kernelsAsJson(const PlanFile &file) {
  AIR_ASSIGN_OR_RETURN(const std::vector<KernelRow> rows, rowsOf(file));
  auto list = nlohmann::ordered_json::array();
  for (const KernelRow &row : rows) {
    nlohmann::ordered_json object = {{"name", row.name},
                                     {"threads", row.threads}};
    if (row.facts) {
      object["registers"] = row.facts->registers;
      object["shared_bytes"] = row.facts->staticSharedBytes + row.sharedBytes;
      object["code_bytes"] = row.facts->codeBytes;
    }
    list.push_back(std::move(object));
  }
  return list;
}

} // namespace air
