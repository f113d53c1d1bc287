//===- TargetReports.cpp - what a plan has for each of its targets --------===//
#include "tools/airpack/TargetReports.h"

#include "formats/support/ByteText.h"
#include "formats/support/CountText.h"
#include "formats/support/Printable.h"
#include "tools/airpack/KernelTable.h"
#include "tools/airpack/Summary.h"
#include "tools/cli/Output.h"

#include <nlohmann/json.hpp>

#include <map>
#include <set>
#include <utility>

namespace air {

namespace {

/// This type keeps the order of insertion, so that the output has the order of
/// the file.
using Json = nlohmann::ordered_json;

/// For each segment, the number of targets that use it. If targets share a
/// segment, their plans refer to the same plan::Segment in the file, so the
/// pointers are equal.
std::map<const plan::Segment *, uint32_t> usesOf(const PlanFile &file) {
  std::map<const plan::Segment *, uint32_t> uses;
  for (uint32_t t = 0; t < file.targets(); ++t) {
    for (const plan::Segment *segment : *file.target(t).segments()) {
      ++uses[segment];
    }
  }
  return uses;
}

/// The line about the segments of the chosen target.
std::string segmentLine(const PlanFile &file,
                        const std::map<const plan::Segment *, uint32_t> &uses) {
  uint64_t bytes = 0;
  uint64_t shared = 0;
  for (const plan::Segment *segment : *file.plan().segments()) {
    bytes += segment->stored_bytes();
    shared += uses.at(segment) > 1 ? segment->stored_bytes() : 0;
  }
  return cli::format("segments   %u with %s, of which other targets use %s\n",
                     file.plan().segments()->size(), byteText(bytes).c_str(),
                     byteText(shared).c_str());
}

std::string dump(const Json &json) {
  // Strings in a file need not be valid UTF-8, so invalid bytes are replaced.
  return printableJson(
             json.dump(2, ' ', false, Json::error_handler_t::replace)) +
         "\n";
}

} // namespace

Status forEachSegment(PlanFile &file,
                      const std::function<Status(uint32_t index)> &visit) {
  std::set<const plan::Segment *> seen;
  for (uint32_t t = 0; t < file.targets(); ++t) {
    file.choose(t);
    for (uint32_t i = 0; i < file.plan().segments()->size(); ++i) {
      if (seen.insert(file.plan().segments()->Get(i)).second) {
        AIR_RETURN_IF_ERROR(visit(i));
      }
    }
  }
  return Status::ok();
}

Result<std::string>
reportText(PlanFile &file, ListKernels kernels,
           const std::function<double(const plan::Plan &)> &bandwidthOf) {
  const bool isFat = file.targets() > 1;
  const auto uses = usesOf(file);
  std::string text;
  for (uint32_t t = 0; t < file.targets(); ++t) {
    file.choose(t);
    text += planSummary(file.plan(), isFat ? 0 : file.bytes().size(),
                        bandwidthOf(file.plan()));
    text += isFat ? segmentLine(file, uses) : "";
    if (kernels == ListKernels::Yes) {
      AIR_ASSIGN_OR_RETURN(const std::string table, kernelTable(file));
      text += table;
    }
    text += isFat ? "\n" : "";
  }
  if (isFat) {
    text += "file       " + byteText(file.bytes().size()) + " in " +
            countOf(uses.size(), "segment") + ", for " +
            countOf(file.targets(), "target") + "\n";
  }
  return text;
}

Result<std::string> reportJson(PlanFile &file, ListKernels kernels) {
  const bool isFat = file.targets() > 1;
  Json targets = Json::array();
  for (uint32_t t = 0; t < file.targets(); ++t) {
    file.choose(t);
    std::string metadata = planToJson(file.plan());
    Json list = Json::array();
    if (kernels == ListKernels::Yes) {
      AIR_ASSIGN_OR_RETURN(list, kernelsAsJson(file));
    }
    if (!isFat && list.empty()) {
      return metadata;
    }
    Json object = Json::parse(metadata);
    if (!list.empty()) {
      object["gpu_kernels"] = std::move(list);
    }
    targets.push_back(std::move(object));
  }
  return dump(isFat ? Json{{"targets", std::move(targets)}} : targets.front());
}

} // namespace air
