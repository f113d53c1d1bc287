//===- ProbeReport.cpp - what a probe measured, for people ----------------===//
#include "tools/airrun/ProbeReport.h"

#include "formats/machine/HostFacts.h"
#include "formats/support/ByteText.h"
#include "formats/support/CountText.h"
#include "tools/cli/Output.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace air {
namespace {

using cli::format;

constexpr StreamLoads kLoads[] = {StreamLoads::Single, StreamLoads::Burst,
                                  StreamLoads::TwoStreams};

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

std::string rateRow(const char *name, uint64_t rate, uint64_t whole) {
  if (rate == 0) {
    return format("  %-22s %10s %7s\n", name, "-", "-");
  }
  return format("  %-22s %10.1f %7.2f\n", name, static_cast<double>(rate) / 1e9,
                share(rate, whole));
}

std::string decodeRow(const char *codec, uint64_t rate) {
  return rate == 0 ? format("  %-22s %10s\n", codec, "-")
                   : format("  %-22s %10.2f\n", codec,
                            static_cast<double>(rate) / 1e9);
}

/// The bandwidth of one stream, and its share of the memory bandwidth. Both are
/// dashes if the profile lacks the stream.
std::string cell(const MachineProfile &profile, const StreamRate &wanted) {
  for (const StreamRate &stream : profile.cpu.streams) {
    if (compareStreams(stream, wanted) == 0) {
      return format("  %7.1f %5.2f",
                    static_cast<double>(stream.bandwidth) / 1e9,
                    share(stream.bandwidth, profile.memoryBandwidth));
    }
  }
  return format("  %7s %5s", "-", "-");
}

std::string streamTable(const MachineProfile &profile) {
  std::string table = format("  %-22s", "prefetch");
  for (StreamLoads loads : kLoads) {
    table += format("  %13s", std::string(streamLoadsName(loads)).c_str());
  }
  table += "\n";
  std::set<std::pair<StreamHint, uint32_t>> prefetches;
  for (const StreamRate &stream : profile.cpu.streams) {
    prefetches.insert({stream.hint, stream.distanceBytes});
  }
  for (const auto &[hint, distance] : prefetches) {
    const std::string name(streamHintName(hint));
    const std::string label =
        distance == 0 ? name
                      : name + ", " + std::to_string(distance) + " B ahead";
    table += format("  %-22s", label.c_str());
    for (StreamLoads loads : kLoads) {
      table += cell(profile, {loads, hint, distance, 0});
    }
    table += "\n";
  }
  return table;
}

std::string memoryLine(const MachineProfile &profile) {
  std::string line = "memory     " + byteText(profile.memoryBytes);
  if (profile.memoryLimit != 0) {
    line += ", which a cgroup limits to " + byteText(profile.memoryLimit);
  }
  if (profile.memlockLimit >= kUnlimitedMemory) {
    line += ", all of it may be locked";
  } else if (profile.memlockLimit != 0) {
    line += ", " + byteText(profile.memlockLimit) + " may be locked";
  }
  return line + "\n";
}

std::string wayText(const DiskRate &rate) {
  return std::string(ioMethodName(rate.method)) + ", " +
         byteText(rate.blockBytes) +
         (rate.hugePages ? ", huge pages" : ", 4 KiB pages");
}

/// One row for each method, page size and block size, one column for each
/// depth.
std::string diskTable(const std::vector<DiskRate> &curve) {
  std::set<uint32_t> depths;
  std::set<std::tuple<IoMethod, bool, uint64_t>> rows;
  for (const DiskRate &rate : curve) {
    depths.insert(rate.depth);
    rows.insert({rate.method, !rate.hugePages, rate.blockBytes});
  }
  std::string table = format("\n%-34s", "reading the disk, GB/s");
  for (uint32_t depth : depths) {
    table += format(" %8s", ("depth " + std::to_string(depth)).c_str());
  }
  table += "\n";
  for (const auto &[method, isSmall, block] : rows) {
    const DiskRate row{method, block, 0, !isSmall, 0};
    table += format("  %-32s", wayText(row).c_str());
    for (uint32_t depth : depths) {
      DiskRate wanted = row;
      wanted.depth = depth;
      const auto found =
          std::find_if(curve.begin(), curve.end(), [&](const DiskRate &rate) {
            return compareDiskRates(rate, wanted) == 0;
          });
      table +=
          found == curve.end()
              ? format(" %8s", "-")
              : format(" %8.2f", static_cast<double>(found->bandwidth) / 1e9);
    }
    table += "\n";
  }
  const DiskRate chosen = chooseDiskRate(curve);
  return table + format("chosen for models: %s, depth %u, %.2f GB/s\n",
                        wayText(chosen).c_str(), chosen.depth,
                        static_cast<double>(chosen.bandwidth) / 1e9);
}

/// The line that states the disk's rate for each size of the ring.
std::string ringLine(const std::vector<RingRate> &rings) {
  std::string line = "to a ring of";
  for (const RingRate &ring : rings) {
    line += format("%s %s: %.2f", &ring == rings.data() ? "" : ",",
                   byteText(ring.bytes).c_str(),
                   static_cast<double>(ring.bandwidth) / 1e9);
  }
  return line + " GB/s\n";
}

} // namespace

std::string probeReport(const MachineProfile &profile,
                        const std::string &cpuModel) {
  const CpuRates &cpu = profile.cpu;
  std::string report =
      format("CPU        %s, %s\n", cli::oneLine(cpuModel).c_str(),
             countOf(profile.cores, "core").c_str());
  report += "caches     L1d " + byteText(cpu.l1dBytes) + ", L2 " +
            byteText(cpu.l2Bytes) + ", L3 " + byteText(cpu.l3Bytes) + "\n";
  report += memoryLine(profile);
  report += "\narithmetic of one core       Gop/s   share\n";
  report += rateRow("fma_f32", cpu.fmaF32, cpu.byteDot);
  report += rateRow("byte_dot", cpu.byteDot, cpu.byteDot);
  report += rateRow("byte_dot_mixed", cpu.byteDotMixed, cpu.byteDot);
  report += rateRow("bf16_dot", cpu.bf16Dot, cpu.byteDot);
  report += rateRow("bf16_tile", cpu.bf16Tile, cpu.byteDot);
  report += rateRow("byte_tile", cpu.byteTile, cpu.byteDot);
  report += "\ndecoding weights on one core  GB/s\n";
  report += decodeRow("planes", cpu.planesDecode);
  report += decodeRow("zstd", cpu.zstdDecode);
  report += "\nreading memory                GB/s   share\n";
  report +=
      rateRow("all cores", profile.memoryBandwidth, profile.memoryBandwidth);
  // The last entry of the curve, for all cores, and the first one, for one
  // core, have rows of their own, so only the entries between them are printed
  // here.
  for (size_t i = profile.memoryCurve.size(); i > 2; --i) {
    const ThreadRate &rate = profile.memoryCurve[i - 2];
    report += rateRow((std::to_string(rate.threads) + " cores").c_str(),
                      rate.bandwidth, profile.memoryBandwidth);
  }
  report += rateRow("one core", cpu.readBandwidth, profile.memoryBandwidth);
  report += "\nstreams of all cores, GB/s and share\n" + streamTable(profile);
  report += format("\na new tile %.2f us, a barrier %.2f us\n",
                   static_cast<double>(cpu.tileNs) / 1e3,
                   static_cast<double>(cpu.barrierNs) / 1e3);
  if (!profile.diskCurve.empty()) {
    report += diskTable(profile.diskCurve);
  }
  if (!profile.diskRings.empty()) {
    report += ringLine(profile.diskRings);
  }
  if (profile.diskBeside != 0 && profile.memoryBeside != 0) {
    report += format("while all cores read memory: disk %.2f GB/s (share "
                     "%.2f), memory %.1f GB/s (share %.2f)\n",
                     static_cast<double>(profile.diskBeside) / 1e9,
                     share(profile.diskBeside, profile.diskBandwidth),
                     static_cast<double>(profile.memoryBeside) / 1e9,
                     share(profile.memoryBeside, profile.memoryBandwidth));
  }
  return report;
}

std::string gpuReport(std::span<const rt::GpuProbeResult> gpus) {
  const auto billions = [](uint64_t rate) {
    return static_cast<double>(rate) / 1e9;
  };
  const auto microseconds = [](uint64_t nanoseconds) {
    return static_cast<double>(nanoseconds) / 1e3;
  };
  std::string report;
  for (const rt::GpuProbeResult &gpu : gpus) {
    const rt::CudaFacts &facts = gpu.facts;
    const std::string arch = rt::profileOf(gpu).arch;
    report += format("\nGPU %-6u %s, compute capability %u.%u, %u "
                     "multiprocessors\n",
                     facts.ordinal, cli::oneLine(facts.name).c_str(),
                     facts.capability / 10, facts.capability % 10,
                     facts.multiprocessors);
    report += "kernels    " + (arch.empty() ? "none" : arch) + "\n";
    report += "VRAM       " + byteText(facts.totalBytes) + ", " +
              byteText(facts.freeBytes) + " of it free\n";
    report +=
        format("reading and writing VRAM: at best %.1f GB/s, median "
               "%.1f GB/s\n",
               billions(gpu.bestBandwidth), billions(gpu.medianBandwidth));
    report += "copies from and to page-locked RAM\n"
              "                   to the GPU               to RAM\n"
              "  each of          GB/s  one alone, us      GB/s  one alone, "
              "us\n";
    for (const rt::CopyRate &copy : gpu.copies) {
      report += format("  %-12s %8.2f %14.1f  %8.2f %14.1f\n",
                       byteText(copy.bytes).c_str(), billions(copy.toGpu),
                       microseconds(copy.toGpuNs), billions(copy.toHost),
                       microseconds(copy.toHostNs));
    }
  }
  return report;
}

} // namespace air
