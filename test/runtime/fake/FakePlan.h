//===- FakePlan.h - a tiny valid plan whose results are known ---*- C++ -*-===//
//
// A plan with real kernels (FakeKernels.c, compiled by the build) for a fake
// model. After id t at position p of a sequence with ids i[0..p], it computes
//
//   history = sum over q <= p of i[q] * (q % 7 + 1)
//   logits[v] = bias(v) + history - 64 * |v - next[t]|,  bias(v) = v % 5
//
// so the greedy token after t is next[t], and the logits show whether the right
// positions, pages and sequences were read. All values are exact in
// float32 for short sequences.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_RUNTIME_FAKE_FAKEPLAN_H
#define AIRPACK_TEST_RUNTIME_FAKE_FAKEPLAN_H

#include "formats/plan/PlanFile.h"
#include "test/runtime/fake/FakeShape.h"

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace air::test {

inline constexpr int32_t kFakeBos = 1;
inline constexpr int32_t kFakeEos = 2;
inline constexpr int32_t kFakeFirstByte = 3; ///< the token of byte 0
inline constexpr uint64_t kFakeMaxTokens = 8;
inline constexpr uint64_t kFakeMaxOutputs = 3;
inline constexpr uint64_t kFakeContext = 150;
inline constexpr uint64_t kFakePages = 6;
/// The executable of a plan for a fake GPU (LateGpu.h).
inline constexpr std::string_view kFakeCubin = "the code of a fake GPU";
/// A KV page for a fake GPU: K and V of 64 positions in float16, for one KV
/// head whose single element is padded to 16.
inline constexpr uint64_t kFakeGpuPageBytes = 4096;

struct FakeModel {
  /// Maps an id to the greedy token after it. By default, this is the id plus
  /// 1, or 0 after the last id.
  std::array<int32_t, FAKE_VOCABULARY> next;
  /// Takes the place of i[q] in the sum `history` (see the top of this file) if
  /// i[q] is 0. Large values make the sum overflow.
  float unknownInHistory = 0;
  float unknownBias = 0; ///< the bias of the logit of id 0

  FakeModel();
  /// Makes greedy decoding after BOS produce the bytes of `text`, one token
  /// each, and then </s>. No byte may occur twice in `text`, because only the
  /// last token determines the next one.
  void say(const std::string &text);
};

/// Writes the plan. `change` may alter it before it is written. Any error fails
/// the test.
void writeFakePlan(const std::string &path, const FakeModel &model = {},
                   const std::function<void(plan::PlanT &)> &change = {});

/// Changes the context and the number of slots of a fake plan, and the memory
/// of its KV cache.
void setContext(plan::PlanT &plan, uint64_t context, uint64_t slots);

/// Like writeFakePlan(), but the kernels run on a fake GPU, whose memory holds
/// all data. A pass computes up to kFakeMaxTokens rows of logits.
void writeFakeGpuPlan(const std::string &path, const FakeModel &model = {},
                      const std::function<void(plan::PlanT &)> &change = {});

/// Like writeFakeGpuPlan(), but only the output head runs on the fake GPU. The
/// CPU computes the other steps, and has the KV cache.
void writeFakeSplitPlan(const std::string &path, const FakeModel &model = {},
                        const std::function<void(plan::PlanT &)> &change = {});

/// Adds a copy of the first placement. The copy reads the only segment of
/// weights in every pass, through a ring of `ringBytes`, and has no budgets.
void addStreamedPlacement(plan::PlanT &plan, uint64_t ringBytes);

/// A file with a fake plan in the test's temporary folder. The destructor
/// removes the file.
class FakePlanFile {
public:
  FakePlanFile();
  ~FakePlanFile();
  FakePlanFile(const FakePlanFile &) = delete;
  FakePlanFile &operator=(const FakePlanFile &) = delete;

  /// Opens the plan. An error fails the test.
  PlanFile open() const;
  /// Changes one bit of the byte at `offset` of the file.
  void damage(uint64_t offset) const;

private:
  std::string path;
};

/// The logits that the formula at the top of this file gives after the last of
/// `ids`, for one sequence that starts at position 0.
std::vector<float> fakeLogits(const FakeModel &model,
                              const std::vector<int32_t> &ids);

std::string temporaryPath(const std::string &name);

} // namespace air::test

#endif // AIRPACK_TEST_RUNTIME_FAKE_FAKEPLAN_H
