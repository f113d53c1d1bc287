//===- Measure.cpp - runs kernels on the GPU ------------------------------===//
#include "tools/air-gpu-bench/Measure.h"

#include "codegen/cuda/Intrinsics.h"
#include "formats/dtype/Half.h"
#include "formats/plan/T16.h"
#include "formats/support/CountText.h"
#include "formats/support/MappedFile.h"
#include "formats/support/Median.h"
#include "formats/support/MonotonicClock.h"
#include "tools/air-gpu-bench/Operands.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

namespace air::gpubench {

using namespace codegen::cuda;

namespace {

constexpr uint32_t kReplays = 7;
constexpr double kGraphMilliseconds = 3;
/// A large matrix has this many distinct rows; its other rows repeat them.
constexpr uint32_t kOwnRows = 256;

template <typename T>
std::span<const uint8_t> bytesOf(const std::vector<T> &v) {
  return {reinterpret_cast<const uint8_t *>(v.data()), v.size() * sizeof(T)};
}
template <typename T> std::span<uint8_t> bytesOf(std::vector<T> &v) {
  return {reinterpret_cast<uint8_t *>(v.data()), v.size() * sizeof(T)};
}

/// Device memory that is freed at the end of its scope.
class Buffer {
public:
  Buffer() = default;
  ~Buffer() {
    if (owner && address) {
      // release() fails only after an earlier failure, which has been reported.
      (void)owner->release(address);
    }
  }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  Status allocate(Driver &driver, uint64_t bytes) {
    owner = &driver;
    AIR_ASSIGN_OR_RETURN(address,
                         driver.allocate(std::max<uint64_t>(bytes, 256)));
    return Status::ok();
  }
  DevicePointer at() const { return address; }

private:
  Driver *owner = nullptr;
  DevicePointer address = 0;
};

class Session {
public:
  Session(Driver &gpu, const KernelFolder &kernels, CudaTarget arch)
      : driver(gpu), folder(kernels), target(arch) {}

  Result<Launch> launchOf(const CudaKernel &kernel, bool dependent);
  Status matmul(const char *group, const DecodeMatMul &spec, bool timed);
  Status copies(uint64_t bytes, uint32_t multiprocessors);
  Status read(const ReadProbe &probe);
  Status launches(uint32_t blocks, bool dependent);
  Status wgmma();
  Status uploads();

  /// Makes a graph in which the launches of `set` are repeated so often that a
  /// replay takes about kGraphMilliseconds. Replays the graph kReplays times,
  /// and returns the milliseconds per launch in each of these replays.
  Result<std::vector<double>> time(const std::vector<Launch> &set);

  Report report;

private:
  Row &row(const char *group, const std::string &name) {
    report.rows.push_back({});
    report.rows.back().group = group;
    report.rows.back().name = name;
    const auto found = folder.registers.find(name);
    report.rows.back().registers =
        found == folder.registers.end() ? 0 : found->second;
    return report.rows.back();
  }
  /// Stores the median and spread of the times in the row, and the bandwidth
  /// for `bytes` bytes per launch.
  static void fill(Row &row, std::vector<double> milliseconds, double bytes);

  Driver &driver;
  const KernelFolder &folder;
  CudaTarget target;
  std::map<std::string, Operands> operandCache;
};

void Session::fill(Row &row, std::vector<double> times, double bytes) {
  const double median = medianOf(times);
  const auto [fastest, slowest] = std::ranges::minmax(times);
  row.microseconds = median * 1e3;
  row.spread = (slowest - fastest) / median;
  row.gigabytesPerSecond = bytes / median / 1e6;
}

Result<Launch> Session::launchOf(const CudaKernel &kernel, bool dependent) {
  AIR_ASSIGN_OR_RETURN(
      const MappedFile cubin,
      MappedFile::open(folder.path + "/" + kernel.name + ".cubin"));
  Launch launch;
  AIR_ASSIGN_OR_RETURN(launch.function, driver.load(cubin.bytes(), kernel.name,
                                                    kernel.sharedBytes));
  launch.gridX = kernel.gridX;
  launch.gridY = kernel.gridY;
  launch.threads = kernel.threads;
  launch.sharedBytes = kernel.sharedBytes;
  launch.dependent = dependent;
  return launch;
}

Result<std::vector<double>> Session::time(const std::vector<Launch> &set) {
  AIR_ASSIGN_OR_RETURN(std::vector<double> trial, driver.replay(set, 1));
  const double once = std::max(trial[0], 1e-4);
  const auto repeats =
      static_cast<uint32_t>(std::ceil(kGraphMilliseconds / once));
  std::vector<Launch> all;
  for (uint32_t i = 0; i < repeats; ++i) {
    all.insert(all.end(), set.begin(), set.end());
  }
  AIR_ASSIGN_OR_RETURN(std::vector<double> times, driver.replay(all, kReplays));
  for (double &one : times) {
    one /= static_cast<double>(all.size());
  }
  return times;
}

Status Session::matmul(const char *group, const DecodeMatMul &spec,
                       bool timed) {
  AIR_ASSIGN_OR_RETURN(
      const CudaKernel kernel,
      generateDecodeMatMul(spec, target, deviceIntrinsicsText()));
  const uint32_t ownRows = spec.rows > 2 * kOwnRows ? kOwnRows : spec.rows;
  const std::string key =
      std::string(info(spec.dtype).name) + ' ' +
      std::string(layoutName(spec.layout)) + ' ' + std::to_string(ownRows) +
      ' ' + std::to_string(spec.columns) + ' ' + std::to_string(spec.tokens);
  auto found = operandCache.find(key);
  if (found == operandCache.end()) {
    found = operandCache
                .emplace(key, makeOperands(spec.dtype, spec.layout, ownRows,
                                           spec.columns, spec.tokens,
                                           operandCache.size()))
                .first;
  }
  const Operands &operands = found->second;

  // There are so many copies of the matrix that none is still in the L2 cache
  // when it is used again.
  const uint64_t sets =
      timed ? std::max<uint64_t>(
                  3, (3 * driver.facts().l2Bytes + kernel.weightBytes - 1) /
                         kernel.weightBytes)
            : 1;
  Buffer weights;
  Buffer x;
  Buffer y;
  Buffer partials;
  Buffer counters;
  const uint64_t yBytes = uint64_t{4} * spec.tokens * spec.rows;
  AIR_RETURN_IF_ERROR(weights.allocate(driver, sets * kernel.weightBytes));
  AIR_RETURN_IF_ERROR(x.allocate(driver, operands.x.size() * 2));
  AIR_RETURN_IF_ERROR(y.allocate(driver, yBytes));
  AIR_RETURN_IF_ERROR(partials.allocate(driver, kernel.partialBytes));
  AIR_RETURN_IF_ERROR(counters.allocate(driver, kernel.counterBytes));
  AIR_RETURN_IF_ERROR(driver.write(weights.at(), operands.packed));
  // `packed` holds the distinct rows. To fill the first copy of the matrix, the
  // filled part is duplicated again and again. All other copies are made from
  // the first.
  for (uint64_t set = 0; set < sets; ++set) {
    const DevicePointer to = weights.at() + set * kernel.weightBytes;
    uint64_t done = operands.packed.size();
    if (set != 0) {
      AIR_RETURN_IF_ERROR(driver.copy(to, weights.at(), kernel.weightBytes));
      continue;
    }
    while (done < kernel.weightBytes) {
      const uint64_t more = std::min(done, kernel.weightBytes - done);
      AIR_RETURN_IF_ERROR(driver.copy(to + done, to, more));
      done += more;
    }
  }
  AIR_RETURN_IF_ERROR(driver.finish());
  AIR_RETURN_IF_ERROR(driver.write(x.at(), bytesOf(operands.x)));
  AIR_RETURN_IF_ERROR(driver.fill(partials.at(), 0xff,
                                  std::max<uint64_t>(kernel.partialBytes, 4)));
  AIR_RETURN_IF_ERROR(driver.fill(counters.at(), 0,
                                  std::max<uint64_t>(kernel.counterBytes, 4)));

  AIR_ASSIGN_OR_RETURN(Launch launch, launchOf(kernel, spec.dependentLaunch));
  launch.arguments = {weights.at(), x.at(), y.at(), partials.at(),
                      counters.at()};
  Row &result = row(group, kernel.name);
  // The kernel is launched twice. If the first launch does not set `counters`
  // back to zero, the results of the second launch are wrong.
  for (int round = 0; round < 2; ++round) {
    AIR_RETURN_IF_ERROR(driver.fill(y.at(), 0xff, yBytes)); // all NaN
    AIR_RETURN_IF_ERROR(driver.launch(launch));
    AIR_RETURN_IF_ERROR(driver.finish().withContext(kernel.name));
    std::vector<float> values(yBytes / 4);
    AIR_RETURN_IF_ERROR(driver.read(y.at(), bytesOf(values)));
    const Difference difference =
        compare(operands, values, spec.rows, spec.tokens);
    result.relativeError = std::max(result.relativeError, difference.relative);
    result.worstShare = std::max(result.worstShare, difference.worstShare);
    result.isRight = result.isRight && difference.worstShare < 1;
  }
  if (timed) {
    std::vector<Launch> set;
    for (uint64_t i = 0; i < sets; ++i) {
      set.push_back(launch);
      set.back().arguments[0] = weights.at() + i * kernel.weightBytes;
    }
    AIR_ASSIGN_OR_RETURN(std::vector<double> times, time(set));
    fill(result, times,
         static_cast<double>(kernel.weightBytes + operands.x.size() * 2 +
                             yBytes));
    AIR_ASSIGN_OR_RETURN(const uint64_t sourceRow,
                         rowBytes(spec.dtype, spec.columns));
    result.sourceGigabytes =
        static_cast<double>(sourceRow * spec.rows) / result.microseconds / 1e3;
  }
  return driver.unloadAll();
}

Status Session::copies(uint64_t bytes, uint32_t multiprocessors) {
  Buffer from;
  Buffer to;
  AIR_RETURN_IF_ERROR(from.allocate(driver, bytes));
  AIR_RETURN_IF_ERROR(to.allocate(driver, bytes));
  AIR_RETURN_IF_ERROR(driver.fill(from.at(), 0x5a, bytes));
  AIR_RETURN_IF_ERROR(driver.fill(to.at(), 0, bytes));
  AIR_ASSIGN_OR_RETURN(const double milliseconds,
                       driver.copyTimer().copyMilliseconds(to.at(), from.at(),
                                                           bytes, 1, kReplays));
  Row &own = row("limit", "copy by the driver");
  own.microseconds = milliseconds * 1e3;
  own.gigabytesPerSecond = static_cast<double>(2 * bytes) / milliseconds / 1e6;
  report.copyGigabytes = own.gigabytesPerSecond;
  AIR_RETURN_IF_ERROR(driver.fill(to.at(), 0, bytes));
  AIR_ASSIGN_OR_RETURN(const CudaKernel kernel,
                       generateCopyProbe(bytes, multiprocessors, target,
                                         deviceIntrinsicsText()));
  AIR_ASSIGN_OR_RETURN(Launch launch, launchOf(kernel, false));
  launch.arguments = {from.at(), to.at()};
  AIR_ASSIGN_OR_RETURN(std::vector<double> times, time({launch}));
  Row &result = row("limit", kernel.name);
  fill(result, times, static_cast<double>(2 * bytes));
  report.copyGigabytes =
      std::max(report.copyGigabytes, result.gigabytesPerSecond);
  std::vector<uint8_t> copied(bytes);
  AIR_RETURN_IF_ERROR(driver.read(to.at(), copied));
  result.isRight = std::all_of(copied.begin(), copied.end(),
                               [](uint8_t byte) { return byte == 0x5a; });
  return driver.unloadAll();
}

Status Session::read(const ReadProbe &probe) {
  AIR_ASSIGN_OR_RETURN(
      const CudaKernel kernel,
      generateReadProbe(probe, target, deviceIntrinsicsText()));
  if (!folder.registers.contains(kernel.name)) {
    return Status::ok();
  }
  Buffer bytes;
  Buffer words;
  const uint64_t wordBytes = uint64_t{4} * kernel.gridX * kernel.threads;
  AIR_RETURN_IF_ERROR(bytes.allocate(driver, kernel.weightBytes));
  AIR_RETURN_IF_ERROR(words.allocate(driver, wordBytes));
  // The last word that the kernel reads is 0x11111111, and all others are
  // 0x5a5a5a5a. The results of all threads must be equal, except that of the
  // one thread that reads the last word.
  AIR_RETURN_IF_ERROR(driver.fill(bytes.at(), 0x5a, kernel.weightBytes));
  AIR_RETURN_IF_ERROR(
      driver.fill(bytes.at() + kernel.weightBytes - 4, 0x11, 4));
  AIR_RETURN_IF_ERROR(driver.fill(words.at(), 0xee, wordBytes));
  AIR_ASSIGN_OR_RETURN(Launch launch, launchOf(kernel, false));
  launch.arguments = {bytes.at(), words.at()};
  AIR_RETURN_IF_ERROR(driver.launch(launch));
  AIR_RETURN_IF_ERROR(driver.finish().withContext(kernel.name));
  std::vector<uint32_t> results(wordBytes / 4);
  AIR_RETURN_IF_ERROR(driver.read(words.at(), bytesOf(results)));
  Row &result = row("read", kernel.name);
  // The kernel combines the words that a thread reads with XOR. Every thread
  // reads an even number of words, so the result is 0 if all of them are
  // 0x5a5a5a5a.
  result.isRight = std::count(results.begin(), results.end(),
                              0x11111111U ^ 0x5a5a5a5aU) == 1 &&
                   std::count(results.begin(), results.end(), 0U) ==
                       static_cast<int64_t>(results.size()) - 1;
  AIR_ASSIGN_OR_RETURN(std::vector<double> times, time({launch}));
  fill(result, times, static_cast<double>(kernel.weightBytes));
  if (result.isRight) {
    report.readGigabytes =
        std::max(report.readGigabytes, result.gigabytesPerSecond);
  }
  return driver.unloadAll();
}

Status Session::launches(uint32_t blocks, bool dependent) {
  AIR_ASSIGN_OR_RETURN(
      const CudaKernel kernel,
      generateLaunchProbe(blocks, dependent, target, deviceIntrinsicsText()));
  Buffer words;
  AIR_RETURN_IF_ERROR(words.allocate(driver, uint64_t{4} * blocks));
  AIR_RETURN_IF_ERROR(driver.fill(words.at(), 0, uint64_t{4} * blocks));
  AIR_ASSIGN_OR_RETURN(Launch launch, launchOf(kernel, dependent));
  launch.arguments = {words.at()};
  constexpr uint32_t count = 1000;
  AIR_ASSIGN_OR_RETURN(
      std::vector<double> times,
      driver.replay(std::vector<Launch>(count, launch), kReplays));
  for (double &one : times) {
    one /= count;
  }
  Row &result = row("launch", kernel.name);
  fill(result, times, 0);
  std::vector<uint32_t> counted(blocks);
  AIR_RETURN_IF_ERROR(driver.read(words.at(), bytesOf(counted)));
  // Every launch adds 1 to each word. The words are right only if each launch
  // has seen the words that the previous one wrote.
  result.isRight =
      std::all_of(counted.begin(), counted.end(), [&](uint32_t word) {
        return word == count * (kReplays + 1);
      });
  return driver.unloadAll();
}

Status Session::wgmma() {
  AIR_ASSIGN_OR_RETURN(const CudaKernel kernel,
                       generateWgmmaProbe(target, deviceIntrinsicsText()));
  std::vector<uint16_t> a;
  std::vector<uint16_t> b;
  for (uint32_t i = 0; i < 64 * 16; ++i) {
    a.push_back(
        floatToHalf(static_cast<float>(static_cast<int>(i * 7 % 61) - 30)));
  }
  for (uint32_t i = 0; i < 8 * 16; ++i) {
    b.push_back(
        floatToHalf(static_cast<float>(static_cast<int>(i * 5 % 37) - 18)));
  }
  Buffer left;
  Buffer right;
  Buffer out;
  AIR_RETURN_IF_ERROR(left.allocate(driver, a.size() * 2));
  AIR_RETURN_IF_ERROR(right.allocate(driver, b.size() * 2));
  AIR_RETURN_IF_ERROR(out.allocate(driver, 64 * 8 * 4));
  AIR_RETURN_IF_ERROR(driver.write(left.at(), bytesOf(a)));
  AIR_RETURN_IF_ERROR(driver.write(right.at(), bytesOf(b)));
  AIR_RETURN_IF_ERROR(driver.fill(out.at(), 0xff, 64 * 8 * 4));
  AIR_ASSIGN_OR_RETURN(Launch launch, launchOf(kernel, false));
  launch.arguments = {left.at(), right.at(), out.at()};
  AIR_RETURN_IF_ERROR(driver.launch(launch));
  AIR_RETURN_IF_ERROR(driver.finish().withContext(kernel.name));
  std::vector<float> d(64 * 8);
  AIR_RETURN_IF_ERROR(driver.read(out.at(), bytesOf(d)));
  Row &result = row("wgmma", kernel.name);
  for (uint32_t i = 0; i < 64; ++i) {
    for (uint32_t j = 0; j < 8; ++j) {
      // This sum is exact: its 16 terms are integers with magnitudes of at most
      // 30 * 18, so all partial sums are below 2^24.
      float sum = 0;
      for (uint32_t k = 0; k < 16; ++k) {
        sum += halfToFloat(a[i * 16 + k]) * halfToFloat(b[j * 16 + k]);
      }
      result.isRight = result.isRight && d[i * 8 + j] == sum;
    }
  }
  return driver.unloadAll();
}

Status Session::uploads() {
  constexpr uint64_t bytes = uint64_t{256} << 20;
  Buffer to;
  AIR_RETURN_IF_ERROR(to.allocate(driver, bytes));
  for (uint64_t piece = 16 << 10; piece <= bytes; piece *= 4) {
    AIR_ASSIGN_OR_RETURN(
        const double milliseconds,
        driver.copyTimer().uploadMilliseconds(to.at(), bytes, piece));
    Row &result =
        row("upload", "pieces of " + std::to_string(piece >> 10) + " KiB");
    result.microseconds =
        milliseconds * 1e3 / static_cast<double>(bytes / piece);
    result.gigabytesPerSecond = static_cast<double>(bytes) / milliseconds / 1e6;
  }
  return Status::ok();
}

} // namespace

Result<Report> measure(Driver &driver, const KernelFolder &folder,
                       const MeasureOptions &options) {
  AIR_ASSIGN_OR_RETURN(const CudaTarget target, cudaTarget(folder.target));
  const DeviceFacts &device = driver.facts();
  if (device.capability != target.capability) {
    return mismatchError(folder.path + " has kernels for " + folder.target +
                         ", but " + device.name + " has compute capability " +
                         std::to_string(device.capability / 10) + "." +
                         std::to_string(device.capability % 10) +
                         "; make the folder again with --target");
  }
  if (options.timings && device.multiprocessors != folder.multiprocessors) {
    return mismatchError(
        folder.path + " has kernels for " +
        countOf(folder.multiprocessors, "multiprocessor") + ", but " +
        device.name + " has " + std::to_string(device.multiprocessors) +
        ", so timings would be meaningless; use --checks-only, or make the "
        "folder again with --multiprocessors");
  }
  const Cases cases = casesFor(target, folder.multiprocessors);
  Session session(driver, folder, target);
  session.report.device = device;
  session.report.nvrtc = folder.nvrtc;
  auto wanted = [&](const DecodeMatMul &spec) {
    const std::string name = decodeMatMulName(spec, target);
    return folder.registers.contains(name) &&
           name.find(options.filter) != std::string::npos;
  };
  const double begin = monotonicSeconds();
  auto late = [&] {
    if (monotonicSeconds() - begin < options.seconds) {
      return false;
    }
    ++session.report.notReached;
    return true;
  };
  const bool all = options.filter.empty();
  if (options.timings) {
    AIR_RETURN_IF_ERROR(
        session.copies(cases.copyBytes, folder.multiprocessors));
  }
  if (options.checks) {
    for (const DecodeMatMul &spec : cases.odd) {
      if (wanted(spec) && !late()) {
        AIR_RETURN_IF_ERROR(session.matmul("check", spec, false));
      }
    }
    if (all && target.hasWgmma) {
      AIR_RETURN_IF_ERROR(session.wgmma());
    }
  }
  if (!options.timings) {
    return session.report;
  }
  if (all) {
    for (const ReadProbe &probe : cases.reads) {
      if (!late()) {
        AIR_RETURN_IF_ERROR(session.read(probe));
      }
    }
    for (const uint32_t blocks : cases.launchBlocks) {
      AIR_RETURN_IF_ERROR(session.launches(blocks, false));
      if (target.hasDependentLaunch) {
        AIR_RETURN_IF_ERROR(session.launches(blocks, true));
      }
    }
    AIR_RETURN_IF_ERROR(session.uploads());
  }
  for (const auto &[group, list] : {std::pair{"shape", &cases.shapes},
                                    std::pair{"tiling", &cases.tilings}}) {
    for (const DecodeMatMul &spec : *list) {
      if (wanted(spec) && !late()) {
        AIR_RETURN_IF_ERROR(session.matmul(group, spec, true));
      }
    }
  }
  return session.report;
}

} // namespace air::gpubench
