//===- LateGpu.cpp - delayed work and the fake model's kernels ------------===//
#include "test/runtime/fake/LateGpu.h"

#include "test/runtime/fake/FakePlan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>

namespace air::test {

using rt::DeviceAddress;
using rt::DispatchDesc;

LateGpu::LateGpu(std::map<std::string, FakeGpuKernel> kernels, uint64_t bytes)
    : known(std::move(kernels)), freeBytes(bytes) {}

Result<DeviceAddress> LateGpu::allocate(uint64_t bytes, std::string_view what) {
  if (bytes > freeBytes) {
    return doesNotFitError(std::string(what) + ": " + std::to_string(bytes) +
                           " bytes are needed, but only " +
                           std::to_string(freeBytes) + " are free");
  }
  freeBytes -= bytes;
  allocations.emplace_back(what, bytes);
  // The host has no memory at these addresses, so the test crashes if the host
  // uses one of them by mistake.
  const DeviceAddress address = (uint64_t{1} << 60) + (memory.size() << 40);
  memory[address].resize(bytes);
  batchTables = what == "batch tables" ? address : batchTables;
  return address;
}

Result<DeviceAddress> LateGpu::importHost(std::span<const uint8_t> bytes) {
  return unsupportedError(std::to_string(bytes.size()) +
                          " bytes of the host: a fake GPU reads only its own "
                          "memory");
}

std::span<uint8_t> LateGpu::memoryAt(DeviceAddress address, uint64_t bytes) {
  auto after = memory.upper_bound(address);
  if (after != memory.begin()) {
    auto &[start, held] = *std::prev(after);
    const uint64_t at = address - start;
    if (at <= held.size() && bytes <= held.size() - at) {
      return std::span(held).subspan(at);
    }
  }
  ADD_FAILURE() << bytes << " bytes at " << address << " are not allocated";
  return {};
}

Result<uint32_t>
LateGpu::loadExecutable(std::span<const uint8_t> object,
                        std::span<const std::string_view> entries) {
  AIR_RETURN_IF_ERROR(loadFailure);
  if (!std::equal(object.begin(), object.end(), kFakeCubin.begin(),
                  kFakeCubin.end())) {
    return corruptError("the executable is not for a fake GPU");
  }
  std::vector<FakeGpuKernel> made;
  for (const std::string_view entry : entries) {
    const auto found = known.find(std::string(entry));
    if (found == known.end()) {
      return corruptError("there is no kernel '" + std::string(entry) + "'");
    }
    made.push_back(found->second);
  }
  executables.push_back(std::move(made));
  return static_cast<uint32_t>(executables.size() - 1);
}

Result<uint32_t> LateGpu::addProgram(std::span<const DispatchDesc> dispatches) {
  std::vector<Launch> made;
  for (const DispatchDesc &desc : dispatches) {
    if (desc.executable >= executables.size() ||
        desc.entry >= executables[desc.executable].size()) {
      return internalError("a dispatch has an unknown kernel");
    }
    EXPECT_EQ(desc.scratchBytes, 0U);
    EXPECT_TRUE(desc.streams.empty());
    shapes.push_back(desc.launch);
    Launch &launch = made.emplace_back();
    launch.kernel = executables[desc.executable][desc.entry];
    for (const DeviceAddress address : desc.bindings) {
      EXPECT_EQ(address % AIR_BINDING_ALIGNMENT, 0U);
      launch.bindings.push_back(memoryAt(address, 1));
    }
  }
  programs.push_back(std::move(made));
  return static_cast<uint32_t>(programs.size() - 1);
}

Status LateGpu::run(uint32_t program, uint32_t first, uint32_t count,
                    const AirBatch &) {
  reads.clear();
  if (first > programs[program].size() ||
      count > programs[program].size() - first) {
    return internalError("a run has dispatches that do not exist");
  }
  for (uint32_t i = first; i < first + count; ++i) {
    if (!runFailure.isOk()) {
      if (launchesBeforeFailure == 0) {
        return runFailure;
      }
      --launchesBeforeFailure;
    }
    ++enqueuedLaunches;
    enqueue(rt::Queue::Compute, [this, program, i] {
      const Launch &launch = programs[program][i];
      launch.kernel(launch.bindings);
      ++launches;
    });
  }
  return launchesBeforeFailure == 0 ? runFailure : Status::ok();
}

Status LateGpu::copy(DeviceAddress to, DeviceAddress from, uint64_t bytes) {
  AIR_RETURN_IF_ERROR(copyFailure);
  enqueue(rt::Queue::Compute,
          [target = memoryAt(to, bytes), source = memoryAt(from, bytes),
           bytes] { std::memmove(target.data(), source.data(), bytes); });
  return Status::ok();
}

Status LateGpu::write(DeviceAddress to, std::span<const uint8_t> from) {
  AIR_RETURN_IF_ERROR(writeFailure);
  writtenBytes += from.size();
  enqueue(rt::Queue::Compute,
          [target = memoryAt(to, from.size()),
           bytes = std::vector<uint8_t>(from.begin(), from.end())] {
            std::copy(bytes.begin(), bytes.end(), target.begin());
          });
  return Status::ok();
}

void LateGpu::enqueue(rt::Queue queue, std::function<void()> action,
                      Point after) {
  queueOf(queue).work.push_back({std::move(action), after});
  if (uploadsEarly) {
    advanceUploads();
  }
}

void LateGpu::advance(Point to) {
  WorkQueue &queue = queueOf(to.queue);
  while (queue.done < to.count) {
    const Point after = queue.work[queue.done].after;
    if (queueOf(after.queue).done < after.count) {
      // If `uploadsEarly` is true, this call may also do work of `queue`, so
      // the loop then looks again for the next piece of work.
      advance(after);
      continue;
    }
    const Work next = std::move(queue.work[queue.done++]);
    if (workFailure.isOk()) {
      next.action();
    } else if (workBeforeFailure != 0) {
      --workBeforeFailure;
      next.action();
    }
    if (uploadsEarly && to.queue == rt::Queue::Compute) {
      advanceUploads();
    }
  }
}

void LateGpu::advanceUploads() {
  WorkQueue &queue = queueOf(rt::Queue::Upload);
  while (queue.done < queue.work.size()) {
    const Point &after = queue.work[queue.done].after;
    if (queueOf(after.queue).done < after.count) {
      return;
    }
    advance({rt::Queue::Upload, queue.done + 1});
  }
}

Result<std::span<uint8_t>> LateGpu::allocateHost(uint64_t bytes,
                                                 std::string_view what) {
  allocations.emplace_back("host " + std::string(what), bytes);
  hostMemory.push_back(std::make_unique<std::vector<uint8_t>>(bytes));
  return std::span(*hostMemory.back());
}

bool LateGpu::isHostMemory(std::span<const uint8_t> bytes) const {
  return bytes.empty() || std::any_of(hostMemory.begin(), hostMemory.end(),
                                      [&](const auto &held) {
                                        return bytes.data() >= held->data() &&
                                               bytes.data() + bytes.size() <=
                                                   held->data() + held->size();
                                      });
}

Status LateGpu::download(std::span<uint8_t> to, DeviceAddress from) {
  EXPECT_TRUE(isHostMemory(to))
      << "a download is not to memory of allocateHost()";
  readBytes += to.size();
  enqueue(rt::Queue::Compute, [to, source = memoryAt(from, to.size())] {
    std::copy_n(source.begin(), to.size(), to.begin());
  });
  return Status::ok();
}

Status LateGpu::upload(DeviceAddress to, std::span<const uint8_t> from) {
  EXPECT_TRUE(isHostMemory(from))
      << "an upload is not from memory of allocateHost()";
  uploads.push_back(from.size());
  enqueue(rt::Queue::Upload, [target = memoryAt(to, from.size()), from] {
    std::copy(from.begin(), from.end(), target.begin());
  });
  return Status::ok();
}

Result<uint32_t> LateGpu::addEvent() {
  events.emplace_back();
  return static_cast<uint32_t>(events.size() - 1);
}

Status LateGpu::signal(rt::Queue queue, uint32_t event) {
  if (event >= events.size()) {
    return internalError("a signal names an unknown event");
  }
  events[event] = {queue, queueOf(queue).work.size()};
  return Status::ok();
}

Status LateGpu::wait(rt::Queue queue, uint32_t event) {
  if (event >= events.size()) {
    return internalError("a wait names an unknown event");
  }
  enqueue(queue, [] {}, events[event]);
  return Status::ok();
}

Result<bool> LateGpu::isComplete(uint32_t event) {
  if (event >= events.size()) {
    return internalError("a question is about an unknown event");
  }
  return queueOf(events[event].queue).done >= events[event].count;
}

Status LateGpu::finish(uint32_t event) {
  if (event >= events.size()) {
    return internalError("the host waits for an unknown event");
  }
  advance(events[event]);
  return failed();
}

Status LateGpu::synchronise() {
  for (const rt::Queue queue : {rt::Queue::Compute, rt::Queue::Upload}) {
    advance({queue, queueOf(queue).work.size()});
  }
  return failed();
}

Status LateGpu::failed() {
  if (!workFailure.isOk()) {
    // The failure also affects work for which the host has not waited, such as
    // a pass that runs ahead. advance() drops this work, except the pieces that
    // `workBeforeFailure` still allows.
    for (const rt::Queue queue : {rt::Queue::Compute, rt::Queue::Upload}) {
      advance({queue, queueOf(queue).work.size()});
    }
    for (auto &[address, held] : memory) {
      if (address == batchTables) {
        std::fill(held.begin(), held.end(), uint8_t{0xa5});
      }
    }
  }
  return workFailure;
}

Result<const void *> LateGpu::read(DeviceAddress from, uint64_t bytes) {
  readBytes += bytes;
  const std::span<uint8_t> source = memoryAt(from, bytes).first(bytes);
  reads.emplace_back(source.begin(), source.end());
  return reads.back().data();
}

//===----------------------------------------------------------------------===//
// The kernels compute what FakePlan.h describes. All but next(), which reads
// the number of tokens from a binding, do so for `tokens` tokens.

namespace {

constexpr uint64_t kTablePages =
    (kFakeContext + AIR_KV_PAGE_TOKENS - 1) / AIR_KV_PAGE_TOKENS;

template <typename T> T *as(std::span<uint8_t> bytes) {
  return reinterpret_cast<T *>(bytes.data());
}

/// The element of the KV cache for a position of a token's sequence.
float *slotOf(std::span<uint8_t> cache, const uint32_t *tables, uint32_t token,
              uint32_t position) {
  const uint32_t page =
      tables[token * kTablePages + position / AIR_KV_PAGE_TOKENS];
  return as<float>(cache.subspan(page * kFakeGpuPageBytes)) +
         position % AIR_KV_PAGE_TOKENS;
}

/// Bindings: token ids, table, x. The embedding of a token that does not exist
/// is NaN.
void embed(uint32_t tokens, std::span<const std::span<uint8_t>> bindings) {
  for (uint32_t m = 0; m < tokens; ++m) {
    const uint32_t id = as<uint32_t>(bindings[0])[m];
    float *x = as<float>(bindings[2]) + m * FAKE_WIDTH;
    if (id < FAKE_VOCABULARY) {
      std::copy_n(as<float>(bindings[1]) + id * FAKE_WIDTH, FAKE_WIDTH, x);
    } else {
      std::fill_n(x, FAKE_WIDTH, std::numeric_limits<float>::quiet_NaN());
    }
  }
}

/// Bindings: x, positions, block tables, KV cache.
void append(uint32_t tokens, std::span<const std::span<uint8_t>> bindings) {
  for (uint32_t m = 0; m < tokens; ++m) {
    *slotOf(bindings[3], as<uint32_t>(bindings[2]), m,
            as<uint32_t>(bindings[1])[m]) =
        as<float>(bindings[0])[m * FAKE_WIDTH];
  }
}

/// Bindings: KV cache, positions, block tables, x, counter. The counter must be
/// 0 before each launch.
void attend(uint32_t tokens, std::span<const std::span<uint8_t>> bindings) {
  EXPECT_EQ(*as<uint32_t>(bindings[4]), 0U);
  for (uint32_t m = 0; m < tokens; ++m) {
    float sum = 0;
    for (uint32_t p = 0; p <= as<uint32_t>(bindings[1])[m]; ++p) {
      sum += *slotOf(bindings[0], as<uint32_t>(bindings[2]), m, p) *
             static_cast<float>(p % 7 + 1);
    }
    as<float>(bindings[3])[m * FAKE_WIDTH + 2] = sum;
  }
}

/// Bindings: x, bias, logits.
void head(uint32_t tokens, std::span<const std::span<uint8_t>> bindings) {
  for (uint32_t m = 0; m < tokens; ++m) {
    const float *token = as<float>(bindings[0]) + m * FAKE_WIDTH;
    for (uint32_t v = 0; v < FAKE_VOCABULARY; ++v) {
      as<float>(bindings[2])[m * FAKE_VOCABULARY + v] =
          as<float>(bindings[1])[v] + token[2] -
          64.0F * std::abs(token[1] - static_cast<float>(v));
    }
  }
}

/// Bindings: logits, number of tokens, token ids, positions, positions for
/// RoPE.
void next(uint32_t, std::span<const std::span<uint8_t>> bindings) {
  for (uint32_t m = 0; m < *as<uint32_t>(bindings[1]); ++m) {
    const float *logits = as<float>(bindings[0]) + m * FAKE_VOCABULARY;
    const bool isFinite = std::all_of(logits, logits + FAKE_VOCABULARY,
                                      [](float l) { return std::isfinite(l); });
    as<uint32_t>(bindings[2])[m] =
        isFinite
            ? static_cast<uint32_t>(
                  std::max_element(logits, logits + FAKE_VOCABULARY) - logits)
            : UINT32_MAX;
    ++as<uint32_t>(bindings[3])[m];
    ++as<uint32_t>(bindings[4])[m];
  }
}

} // namespace

std::map<std::string, FakeGpuKernel> fakeGpuKernels() {
  const struct {
    const char *name;
    void (*function)(uint32_t, std::span<const std::span<uint8_t>>);
  } kernels[] = {{"fake_append", append},
                 {"fake_attend", attend},
                 {"fake_embed", embed},
                 {"fake_head", head},
                 {"fake_next", next}};
  std::map<std::string, FakeGpuKernel> made;
  for (const auto &kernel : kernels) {
    for (const uint32_t tokens : {uint32_t{1}, uint32_t{kFakeMaxTokens}}) {
      made[kernel.name + std::to_string(tokens)] =
          [tokens, function = kernel.function](
              std::span<const std::span<uint8_t>> bindings) {
            function(tokens, bindings);
          };
    }
  }
  return made;
}

} // namespace air::test
