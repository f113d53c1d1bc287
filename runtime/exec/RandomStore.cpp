//===- RandomStore.cpp - made-up weights for a weightless plan ------------===//
#include "runtime/exec/RandomStore.h"

#include "formats/dtype/DType.h"
#include "formats/plan/PlanHeader.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <random>
#include <string>

using namespace air;
using namespace air::rt;

namespace {

constexpr std::align_val_t kAlignment{kPlanPageBytes};

/// The size in bytes of the random pattern with which all segments of weights
/// are filled.
constexpr size_t kPatternBytes = size_t{1} << 20;

/// Returns the pattern of kPatternBytes random bytes. It consists of pairs of
/// bytes. As a float16, a pair is between 2^-4 and 2^-3 in magnitude, and as a
/// bfloat16 or the upper half of a float32 it is below 2^-32. As a scale in a
/// byte, such as an exponent of MXFP4, neither byte of a pair stands for
/// infinity or NaN.
std::vector<uint8_t> randomPattern() {
  std::vector<uint8_t> pattern(kPatternBytes);
  std::mt19937 random(1);
  for (size_t at = 0; at < pattern.size(); at += 2) {
    const uint32_t bits = random();
    pattern[at] = static_cast<uint8_t>(bits & 0x3f);
    pattern[at + 1] = static_cast<uint8_t>(0x2c | (bits >> 8 & 0x83));
  }
  return pattern;
}

template <typename T> void fill(uint8_t *to, uint64_t bytes, T value) {
  for (uint64_t at = 0; at + sizeof value <= bytes; at += sizeof value) {
    std::memcpy(to + at, &value, sizeof value);
  }
}

} // namespace

Result<std::unique_ptr<RandomStore>> RandomStore::create(const PlanFile &plan) {
  std::unique_ptr<RandomStore> store(new RandomStore(plan));
  const std::vector<uint8_t> pattern = randomPattern();
  for (const plan::Segment *segment : *plan.plan().segments()) {
    auto &memory = store->weights.emplace_back();
    if (segment->kind() == plan::SegmentKind::Kernels) {
      continue;
    }
    const uint64_t size = segment->raw_bytes();
    store->bytes += size;
    // As in a plan file, zeros fill the last page of the segment, so that
    // kernels can read up to its end.
    const std::optional<uint64_t> whole = checkedAlignUp(size, kPlanPageBytes);
    memory.reset(!whole ? nullptr
                        : static_cast<uint8_t *>(::operator new[](
                              *whole, kAlignment, std::nothrow)));
    if (!memory) {
      return doesNotFitError("random weights: the system does not provide " +
                             std::to_string(size) +
                             " bytes of RAM for segment '" +
                             segment->name()->str() +
                             "'; end other programs, or bench a smaller model");
    }
    for (uint64_t at = 0; at < size; at += pattern.size()) {
      std::memcpy(memory.get() + at, pattern.data(),
                  std::min<uint64_t>(pattern.size(), size - at));
    }
    std::memset(memory.get() + size, 0, *whole - size);
  }
  for (const plan::Tensor *tensor : *plan.plan().tensors()) {
    uint8_t *to = store->weights[tensor->segment()].get() + tensor->offset();
    // The random elements of a matrix may be large. Small weights of norms make
    // the activations small, so that the sums of matmuls stay finite.
    if (tensor->rows() == 1 &&
        tensor->dtype() == static_cast<uint32_t>(DType::F32)) {
      fill(to, tensor->bytes(), 1e-6F);
    } else if (tensor->rows() == 1 &&
               tensor->dtype() == static_cast<uint32_t>(DType::F64)) {
      fill(to, tensor->bytes(), 1e-3);
    }
  }
  return store;
}

void RandomStore::Free::operator()(uint8_t *memory) const {
  ::operator delete[](memory, kAlignment);
}

std::span<const uint8_t> RandomStore::segment(uint32_t index) const {
  return weights[index] ? std::span<const uint8_t>(
                              weights[index].get(),
                              file.plan().segments()->Get(index)->raw_bytes())
                        : file.segmentBytes(index);
}

Status RandomStore::requireNow(std::span<const uint32_t> segments) {
  for (const uint32_t index : segments) {
    if (!weights[index]) {
      AIR_RETURN_IF_ERROR(file.verifySegment(index));
    }
  }
  return Status::ok();
}
