//===- Report.cpp - the table and the JSON --------------------------------===//
#include "formats/support/CountText.h"
#include "tools/air-gpu-bench/Measure.h"
#include "tools/cli/Output.h"

#include <nlohmann/json.hpp>

namespace air::gpubench {

std::string reportTable(const Report &report) {
  std::string text = cli::format(
      "%s, %s, %.0f MB of L2, driver for CUDA %s, NVRTC %s\n"
      "copy %.0f GB/s (read and written), read %.0f GB/s\n\n"
      "| group | kernel | us | GB/s | of copy | source GB/s | error | "
      "registers | |\n|---|---|---|---|---|---|---|---|---|\n",
      report.device.name.c_str(),
      countOf(report.device.multiprocessors, "multiprocessor").c_str(),
      static_cast<double>(report.device.l2Bytes) / 1e6,
      report.device.driverVersion.c_str(), report.nvrtc.c_str(),
      report.copyGigabytes, report.readGigabytes);
  uint64_t wrong = 0;
  for (const Row &row : report.rows) {
    text +=
        cli::format("| %s | %s | %.2f | %.0f | %.1f %% | %.0f | %.1e | %u "
                    "| %s |\n",
                    row.group.c_str(), row.name.c_str(), row.microseconds,
                    row.gigabytesPerSecond,
                    report.copyGigabytes > 0
                        ? 100 * row.gigabytesPerSecond / report.copyGigabytes
                        : 0,
                    row.sourceGigabytes, row.relativeError, row.registers,
                    row.isRight ? "right" : "WRONG");
    wrong += row.isRight ? 0 : 1;
  }
  return text + cli::format("\n%s, %llu wrong, %s not reached\n",
                            countOf(report.rows.size(), "row").c_str(),
                            static_cast<unsigned long long>(wrong),
                            countOf(report.notReached, "kernel").c_str());
}

std::string reportJson(const Report &report) {
  nlohmann::ordered_json json;
  json["device"] = report.device.name;
  json["multiprocessors"] = report.device.multiprocessors;
  json["l2_bytes"] = report.device.l2Bytes;
  json["driver_cuda"] = report.device.driverVersion;
  json["nvrtc"] = report.nvrtc;
  json["copy_gb_per_s"] = report.copyGigabytes;
  json["read_gb_per_s"] = report.readGigabytes;
  json["kernels_not_reached"] = report.notReached;
  json["rows"] = nlohmann::ordered_json::array();
  for (const Row &row : report.rows) {
    nlohmann::ordered_json one;
    one["group"] = row.group;
    one["kernel"] = row.name;
    one["right"] = row.isRight;
    one["relative_error"] = row.relativeError;
    one["worst_share_of_allowed_error"] = row.worstShare;
    one["us"] = row.microseconds;
    one["spread"] = row.spread;
    one["gb_per_s"] = row.gigabytesPerSecond;
    one["source_gb_per_s"] = row.sourceGigabytes;
    one["registers"] = row.registers;
    json["rows"].push_back(one);
  }
  return json.dump(1, ' ', false,
                   nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

} // namespace air::gpubench
