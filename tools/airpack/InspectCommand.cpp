//===- InspectCommand.cpp - airpack inspect -------------------------------===//
#include "formats/gguf/GgufReader.h"
#include "formats/plan/PlanFile.h"
#include "formats/support/ByteText.h"
#include "formats/support/CountText.h"
#include "formats/support/Printable.h"
#include "tools/airpack/Commands.h"
#include "tools/airpack/TargetReports.h"
#include "tools/cli/Output.h"

#include <nlohmann/json.hpp>

#include <map>

namespace air {
namespace {

/// This type keeps the order of insertion, so that the output has the order of
/// the file.
using Json = nlohmann::ordered_json;

/// A list with more elements than this is shown only as its length.
constexpr size_t kLongestList = 16;

template <typename T> Json listToJson(const std::vector<T> &list) {
  if (list.size() > kLongestList) {
    return Json{{"count", list.size()}};
  }
  Json out = Json::array();
  for (const auto &value : list) {
    out.push_back(static_cast<T>(value));
  }
  return out;
}

Json toJsonValue(const MetadataValue &value) {
  return std::visit(
      [](const auto &held) -> Json {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<T> ||
                      std::is_same_v<T, std::string>) {
          return held;
        } else {
          return listToJson(held);
        }
      },
      value);
}

std::string shapeText(const std::vector<uint64_t> &shape) {
  std::string text;
  for (uint64_t extent : shape) {
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  }
  return text;
}

std::string dump(const Json &json) {
  // Strings in a file need not be valid UTF-8, so invalid bytes are replaced.
  return printableJson(
      json.dump(2, ' ', false, Json::error_handler_t::replace));
}

std::string modelJson(const ModelSource &source) {
  Json metadata = Json::object();
  for (const auto &[key, value] : source.metadata) {
    metadata[key] = toJsonValue(value);
  }
  Json tensors = Json::array();
  for (const auto &[name, tensor] : source.tensors) {
    tensors.push_back(Json{{"name", name},
                           {"dtype", std::string(info(tensor.dtype).name)},
                           {"shape", tensor.shape},
                           {"file", tensor.file},
                           {"offset", tensor.fileOffset},
                           {"bytes", tensor.data.size()}});
  }
  return dump(Json{{"format", source.format},
                   {"metadata", metadata},
                   {"tensors", tensors}}) +
         "\n";
}

/// A value on one line, shortened if it is long.
std::string valueText(const MetadataValue &value) {
  constexpr size_t kWidest = 100;
  if (const auto *text = std::get_if<std::string>(&value)) {
    return "\"" + printable(*text, kWidest, "\"\\") + "\"";
  }
  std::string line = dump(toJsonValue(value));
  std::erase(line, '\n');
  return printable(line, kWidest);
}

std::string modelText(const ModelSource &source) {
  std::string text = "format     " + source.format + "\n";
  for (const auto &[key, value] : source.metadata) {
    text += printable(key, kShownBytes) + " = " + valueText(value) + "\n";
  }
  std::map<std::string, std::pair<uint64_t, uint64_t>> dtypes;
  uint64_t bytes = 0;
  for (const auto &[name, tensor] : source.tensors) {
    std::string dtype(info(tensor.dtype).name);
    text += printable(name, kShownBytes) + "  " + dtype + "  " +
            shapeText(tensor.shape) + "\n";
    dtypes[dtype].first += 1;
    dtypes[dtype].second += tensor.data.size();
    bytes += tensor.data.size();
  }
  for (const auto &[dtype, sum] : dtypes) {
    text += dtype + ": " + countOf(sum.first, "tensor") + ", " +
            byteText(sum.second) + "\n";
  }
  return text + "total: " + countOf(source.tensors.size(), "tensor") + ", " +
         byteText(bytes) + "\n";
}

} // namespace

cli::Command inspectCommand() {
  cli::Command command;
  command.name = "inspect";
  command.summary = "Show what a plan or a model contains. For a plan that "
                    "uses a GPU, the registers, the shared memory and the code "
                    "bytes of each kernel are listed, too. A plan for several "
                    "targets is described once for each of them.";
  command.positionals = {{"PLAN|MODEL", "A plan or a GGUF file.", true}};
  command.options = {makeOption("--json", "", cli::ValueKind::Flag, "",
                                "Print everything as JSON.")};
  command.examples = {"airpack inspect model.air --json",
                      "airpack inspect model.gguf"};
  return command;
}

Status runInspect(const cli::Invocation &invocation) {
  const std::string &path = invocation.positionals.front();
  std::string start;
  {
    AIR_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
    std::span<const uint8_t> bytes =
        file.bytes().first(std::min<size_t>(file.bytes().size(), 8));
    start.assign(bytes.begin(), bytes.end());
  }
  bool json = invocation.has("--json");
  if (start.starts_with("GGUF")) {
    AIR_ASSIGN_OR_RETURN(ModelSource source, readGguf(path));
    return cli::writeOut(json ? modelJson(source) : modelText(source));
  }
  if (start.starts_with("AIRPLAN")) {
    AIR_ASSIGN_OR_RETURN(PlanFile plan, PlanFile::open(path));
    AIR_ASSIGN_OR_RETURN(
        const std::string report,
        json ? reportJson(plan, ListKernels::Yes)
             : reportText(plan, ListKernels::Yes,
                          [](const plan::Plan &) { return 0.0; }));
    return cli::writeOut(report);
  }
  return corruptError("'" + path +
                      "' is neither a plan nor a GGUF file: it begins with "
                      "neither 'AIRPLAN' nor 'GGUF'");
}

} // namespace air
