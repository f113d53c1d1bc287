//===- LinkLimits.h - the bandwidths that limit a decode pass ---*- C++ -*-===//
//
// Measures the bandwidths of the links over which a decode pass reads: the
// memory from which the kernels read, the disk if weights are read from it in
// every pass, and copies to a GPU if every pass copies weights there. The
// measurements use neither the kernels of passes nor the runtime's readers of
// weights.
//
// Each call of measure() takes several samples of each link, or one if it is a
// link of the GPU. The limit of a link is its best sample, since other load on
// the machine can only make a sample slower. The usual rate is the median of
// all samples, since that is what a pass can be expected to find: the rates of
// some machines change from second to second.
//
// If no GPU computes and weights are read from the disk in every pass, samples
// are taken in turns. In each turn, first the disk fills the plan's ring alone,
// then the cores read weights that stay in RAM, and then both work at the same
// time. While both work, each reaches only a share of the rate that it has
// alone, and each turn gives one sample of these two shares. The shares are not
// measured if the session limits how fast it reads the disk, or if too few
// weights stay in RAM.
//
// Ownership: borrows the session. Thread-safety: one caller at a time, while
// no pass runs. Errors: those of GpuLimit, ReadBandwidth, MemoryReaders,
// DiskLimit and DiskStream.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_LINKLIMITS_H
#define AIRPACK_TOOLS_AIRRUN_LINKLIMITS_H

#include "formats/machine/CpuRates.h"
#include "runtime/exec/Session.h"
#include "runtime/hal/cpu/CpuDevice.h"
#include "runtime/hal/cpu/ReadBandwidth.h"
#include "runtime/hal/cpu/probe/ArithmeticRate.h"
#include "runtime/hal/cpu/probe/MemoryReaders.h"
#include "tools/airrun/DiskLimit.h"
#include "tools/airrun/GpuLimit.h"
#include "tools/cli/CommandLine.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace air {

/// The object that reads weights from the disk in every pass of the session;
/// null if no weights are read in every pass.
rt::DiskStream *streamingStore(const rt::Session &session);

/// The bytes that each pass copies from RAM to the GPU.
uint64_t copiedPerPass(const rt::Session &session);

class LinkLimits {
public:
  /// Prepares to measure the links of the session's decode passes. `passBytes`
  /// is the number of bytes of weights and KV cache that the kernels of a pass
  /// read from memory. If a CPU and a GPU compute, the CPU reads `cpuBytes` of
  /// these bytes from RAM, and the GPU reads the others from its own memory.
  static Result<LinkLimits> create(const cli::Invocation &invocation,
                                   rt::Session &session, double passBytes,
                                   double cpuBytes);

  /// The links: first memory, and then the others. If a CPU and a GPU compute,
  /// the memory of the GPU comes first, and then RAM.
  const std::vector<std::string> &links() const { return names; }
  /// The best sample of a link, in bytes per second; 0 if there is none.
  double limit(size_t link) const;
  /// The median of the samples of a link, in bytes per second; 0 if there is
  /// none.
  double usual(size_t link) const;
  /// How many bytes of operands the vector instructions of the cores process
  /// per second, as the median of all samples; 0 if this was not measured.
  double operandRate() const;
  /// While both are read, disk and memory each reach only a share of the rate
  /// that they have alone. Returns these shares, as medians over the turns of
  /// the measurement (see the top of this file). Returns nothing if they were
  /// not measured.
  std::optional<KeptShares> kept() const;
  /// The rate of copies from the host to the GPU, in bytes per second; 0
  /// without a GPU.
  double uploadRate() const { return upload; }

  /// Takes samples of all links, and of the arithmetic of the cores.
  Status measure();
  /// Takes samples of one link, and returns its limit.
  Result<double> measure(size_t link);

private:
  LinkLimits() = default;
  static Result<LinkLimits> createForGpu(const cli::Invocation &invocation,
                                         const rt::Session &session,
                                         double passBytes, double cpuBytes);
  void openCpu(const rt::Session &session);
  Status addMemory(double passBytes);
  void addArithmetic();
  Status addDisk(const rt::Session &session);
  Status measureDisk(std::vector<double> &samples);
  Status measureTurns(std::span<uint8_t> ring, std::vector<double> &samples);
  Result<double> diskRate(std::span<uint8_t> ring);

  std::unique_ptr<GpuLimit> gpu; ///< null if no GPU computes
  double upload = 0;
  std::unique_ptr<rt::CpuDevice> device;
  std::optional<rt::ReadBandwidth> memory;
  /// While the disk is measured, these threads read weights that stay in RAM.
  /// Null if the shares that kept() returns are not measured.
  std::unique_ptr<rt::MemoryReaders> traffic;
  rt::DiskStream *store = nullptr;
  std::optional<DiskLimit> disk;
  std::optional<rt::ArithmeticRate> arithmetic;
  std::vector<double> operations; ///< per second, of all threads
  std::vector<double> keptDisk;
  std::vector<double> keptMemory;
  std::vector<std::string> names;
  std::vector<std::vector<double>> rates; ///< the samples of each link
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_LINKLIMITS_H
