//===- PlanRules.h - the verifier's parts -----------------------*- C++ -*-===//
//
// This header is internal to formats/plan. It declares functions that each
// verify a part of a plan. verifyTarget() calls most of them, in the order of
// the declarations; these call the others. Each may rely on what the functions
// called before it have checked. Malformed data can make them return an error
// but cannot crash them, because they read only what the FlatBuffer verifier
// has found to lie inside the metadata. Their time is nearly linear in the size
// of the metadata. Where more time could be needed, the number of records is
// limited.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PLANRULES_H
#define AIRPACK_FORMATS_PLAN_PLANRULES_H

#include "formats/plan/plan_generated.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace air::rules {

// Limits on counts. Any number of records in a FlatBuffer may share one string,
// so the time to check names is bounded by count * kMaxNameBytes, not by the
// size of the metadata. No count grows with the number of layers of a model
// unless its comment says so.

/// A plan for a CPU has one executable, and a plan for a GPU has one for each
/// kernel. Most kernels are matmuls. A dense decoder has 13 kinds of them: 7
/// for q, k and v, because a layer may join two or all of them, and 6 for the
/// other matrices, because a layer may join gate and up. If a model has all
/// kinds in all 29 dtypes, each of the two programs for decode steps has 13 *
/// 29 kernels for matmuls. Each of the two programs for prefills has twice as
/// many, because its matmuls consist of two kernels each. In all, these are
/// 2262.
inline constexpr uint32_t kMaxExecutables = 4096;
/// Layers share buffers, so a decoder has about 20 of them, however many layers
/// it has. Even if no layers could share buffers, this would be enough for
/// 1,260 layers, because a decoder layer binds at most 13 buffers.
inline constexpr uint32_t kMaxBuffers = 16384;
/// Plans that airpack writes have at most 4 programs, one for each class of
/// batch sizes. The limit leaves room for more.
inline constexpr uint32_t kMaxPrograms = 64;
/// Each sequence has one row in the block table of every group. A model needs
/// one group for each size of attention window, and one for each kind of
/// recurrent state.
inline constexpr uint32_t kMaxCacheGroups = 16;
/// Budget items of tier Vram do not name a device, so there may be only one
/// device other than the CPU.
inline constexpr uint32_t kMaxDevices = 1;
/// LLVM knows fewer than 200 ISA features of an architecture.
inline constexpr uint32_t kMaxFeatures = 256;
/// The limit on the kernels of all executables together. Layers of the same
/// shape and dtype share kernels; a model of 405 billion parameters with mixed
/// dtypes needs 50.
inline constexpr uint32_t kMaxEntries = 65536;
/// Plans that airpack writes have at most 4 placements for a CPU, and at most
/// 12 for a GPU.
inline constexpr uint32_t kMaxPlacements = 16;
/// The largest chunk that a plan may have. A chunk must be in memory as a whole
/// to be verified. airpack writes chunks of at most 64 MiB.
inline constexpr uint64_t kMaxChunkBytes = uint64_t{1} << 30;
/// GGUF limits a tensor's name to 64 bytes; the name of a matrix joined from q,
/// k and v consists of three such names.
inline constexpr size_t kMaxNameBytes = 1024;

/// Returns a VerificationFailed error with the message "RULE: WHERE: WHAT".
inline Status broken(const char *rule, const std::string &where,
                     const std::string &what) {
  return verificationError(std::string(rule) + ": " + where + ": " + what);
}

inline std::string str(uint64_t value) { return std::to_string(value); }

inline std::string_view textOf(const flatbuffers::String *value) {
  return value == nullptr ? std::string_view() : value->string_view();
}

/// Returns `name` in a form for messages: it is on one line and of bounded
/// length.
std::string shown(std::string_view name);

/// Checks that a name has 1 to kMaxNameBytes bytes and no control characters.
Status checkName(const char *rule, const std::string &where,
                 std::string_view name);

template <typename T> uint32_t sizeOf(const flatbuffers::Vector<T> *values) {
  return values == nullptr ? 0 : values->size();
}

/// Returns a description of a record for messages, for example "segment 3
/// 'layer.0.ffn_in'".
template <typename T>
std::string label(const char *what, uint32_t index, const T &record) {
  return std::string(what) + " " + str(index) + " '" +
         shown(textOf(record.name())) + "'";
}

/// Verifies the pipeline of a tokenizer (TextRules.pipeline), which must exist.
Status verifyPipeline(const plan::Tokenizer &tokenizer);
/// The number of steps that have an expression.
uint32_t expressionsOf(const plan::TextPipeline &pipeline);

/// Checks the rule plan.enum: the schema must have a name for `value`. `name`
/// is that name, or "" if there is none. `field` names the field in messages.
Status checkEnum(const std::string &where, const char *field, uint64_t value,
                 const char *name);

/// The number of devices of a plan, including the CPU.
inline uint32_t deviceCount(const plan::Plan &plan) {
  return 1 + sizeOf(plan.machine()->devices());
}

/// Checks that a record names a device that exists.
Status checkDevice(const char *rule, const plan::Plan &plan, uint32_t device,
                   const std::string &where);

/// The device whose memory holds a segment in a placement; 0 is the CPU.
inline uint32_t deviceOf(const plan::Placement &placement, uint32_t segment) {
  return sizeOf(placement.device()) == 0 ? 0 : placement.device()->Get(segment);
}

/// For each segment: whether each pass copies it from RAM to a GPU.
std::vector<bool> copiedToDevice(const plan::Plan &plan,
                                 const plan::Placement &placement);

// Defined in PlanVerifier.cpp.
/// Verifies a plan, or a target of a fat plan, with the functions below. If
/// `isWholeFile`, the file has no segments of other targets.
Status verifyTarget(const plan::Plan &plan, uint64_t fileBytes,
                    uint64_t pageBytes, bool isWholeFile);

// Defined in VerifyModel.cpp.
/// Checks the rule plan.present: the plan has every field that all plans must
/// have.
Status verifyPresence(const plan::Plan &plan);
Status verifyModel(const plan::Plan &plan);
/// Checks that a list of strings is well-formed. `field` names it in messages.
Status verifyStrings(const plan::StringList *list, const char *field);
Status verifyTemplates(const plan::Tokenizer &tokenizer);
Status verifySplitters(const plan::Tokenizer &tokenizer);
Status verifyTokenizer(const plan::Plan &plan);
Status verifySampling(const plan::Plan &plan);
Status verifyMachine(const plan::Plan &plan);
Status verifyProvenance(const plan::Plan &plan);

// Defined in VerifyReference.cpp.
/// Verifies the names of the sources, which only a reference plan has.
Status verifySourceNames(const plan::Plan &plan);

// Defined in VerifySegments.cpp.
/// Verifies the segments. If `isWholeFile`, they are all segments of the file;
/// otherwise, the file also has segments of other targets.
Status verifySegments(const plan::Plan &plan, uint64_t fileBytes,
                      uint64_t pageBytes, bool isWholeFile);
Status verifyTensors(const plan::Plan &plan);

// Defined in VerifyReference.cpp.
/// Verifies which tensors a plan stores, and where in the source files the rows
/// of the other tensors are.
Status verifySourceRows(const plan::Plan &plan);

// Defined in VerifySegments.cpp.
Status verifyExecutables(const plan::Plan &plan);

// Defined in VerifyCaches.cpp.
Status verifyCaches(const plan::Plan &plan);

// Defined in VerifyPrograms.cpp.
Status verifyBuffers(const plan::Plan &plan);
Status verifyPrograms(const plan::Plan &plan);

// Defined in VerifyChoices.cpp.
/// Verifies the dispatches that choose tokens. verifyPrograms() must have
/// accepted the plan.
Status verifyChoices(const plan::Plan &plan);

// Defined in VerifyReads.cpp.
/// Verifies how programs use buffers: the barriers between dispatches suffice,
/// no buffer is read before it holds a value, and buffers that hold values at
/// the same time do not overlap.
Status verifyLiveness(const plan::Plan &plan);
/// Verifies Plan.reads.
Status verifyReads(const plan::Plan &plan);

// Defined in VerifyPlacements.cpp.
/// Returns, for each step of `program`, the segments that the step needs whole,
/// ascending and without duplicates. A step of kind Embed needs none, because
/// it gathers single rows.
std::vector<std::vector<uint32_t>> wholeSegments(const plan::Plan &plan,
                                                 const plan::Program &program);
/// Verifies every placement, including its budgets and predictions.
Status verifyPlacements(const plan::Plan &plan, uint64_t pageBytes);

// Defined in VerifyBudgets.cpp. `owner` describes the placement for messages.
Status verifyBudgets(const plan::Plan &plan, const plan::Placement &placement,
                     const std::string &owner);
Status verifyPredictions(const plan::Plan &plan,
                         const plan::Placement &placement,
                         const std::string &owner);

} // namespace air::rules

#endif // AIRPACK_FORMATS_PLAN_PLANRULES_H
