//===- WindowsTool.cpp - a model whose weights are mapped on demand -------===//
//
// air-windows PLAN RAM MAPPINGS TOKENS OUT runs TOKENS, a list of token ids
// that are separated by commas, with a plan that reads weights from the disk.
// Each token is run in a pass of its own. RAM and MAPPINGS are `ram` and
// `mostMappings` of SessionOptions. The logits are written to OUT as float32.
//
// The tool prints two numbers of bytes: ring_bytes is the size of the ring, and
// mapped_bytes is the total size of all mappings of the ring (SegmentArena.h).
// This total is computed before the first pass and after every pass, and the
// largest result is printed.
//
//===----------------------------------------------------------------------===//
#include "runtime/exec/Session.h"
#include "runtime/io/DiskStream.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

using namespace air;
using namespace air::rt;

namespace {

/// The sum of the sizes of all mappings of the ring's memory.
uint64_t mappedBytes() {
  std::ifstream maps("/proc/self/maps");
  uint64_t sum = 0;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long begin = 0;
    unsigned long long end = 0;
    if (line.find("/memfd:airrun-ring") != std::string::npos &&
        std::sscanf(line.c_str(), "%llx-%llx", &begin, &end) == 2) {
      sum += end - begin;
    }
  }
  return sum;
}

Status runTokens(char **arguments) {
  SessionOptions options;
  options.threads = 2;
  options.ram = std::strtoull(arguments[2], nullptr, 10);
  options.mostMappings = std::strtoull(arguments[3], nullptr, 10);
  AIR_ASSIGN_OR_RETURN(Session session, Session::open(arguments[1], options));
  AIR_ASSIGN_OR_RETURN(const SequenceId sequence, session.newSequence());
  std::ofstream out(arguments[5], std::ios::binary);
  std::istringstream tokens(arguments[4]);
  uint64_t mapped = mappedBytes();
  const uint32_t output = 0;
  for (std::string each; std::getline(tokens, each, ',');) {
    const auto token = static_cast<int32_t>(std::stol(each));
    AIR_RETURN_IF_ERROR(session.run(
        {std::span(&token, 1), std::span(&sequence, 1), std::span(&output, 1)},
        [&](uint64_t, std::span<const float> logits) {
          out.write(reinterpret_cast<const char *>(logits.data()),
                    static_cast<std::streamsize>(logits.size_bytes()));
          return Status::ok();
        }));
    mapped = std::max(mapped, mappedBytes());
  }
  if (session.streaming() == nullptr || !out.flush()) {
    return usageError("no weights are read from the disk, or '" +
                      std::string(arguments[5]) + "' cannot be written");
  }
  std::printf("{\"ring_bytes\": %llu, \"mapped_bytes\": %llu}\n",
              static_cast<unsigned long long>(
                  session.streaming()->counters().ringBytes),
              static_cast<unsigned long long>(mapped));
  return Status::ok();
}

} // namespace

int main(int count, char **arguments) {
  if (count != 6) {
    std::fputs("usage: air-windows PLAN RAM MAPPINGS TOKENS OUT\n", stderr);
    return 2;
  }
  const Status status = runTokens(arguments);
  if (!status.isOk()) {
    std::fprintf(stderr, "air-windows: %s\n", status.message().c_str());
  }
  return status.exitCode();
}
