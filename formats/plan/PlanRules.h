//===- PlanRules.h - the verifier's parts -----------------------*- C++ -*-===//
//
// Internal to formats/plan. verifyPlan runs the parts in the order below; each
// may rely on what the earlier ones saw to. Every one is total: it reads only
// what the FlatBuffer verifier has bounded, and its time is near linear in the
// metadata's size (limits on counts where it would not be).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PLANRULES_H
#define AIRPACK_FORMATS_PLAN_PLANRULES_H

#include "formats/plan/plan_generated.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace air::rules {

// Limits on counts. A FlatBuffer may name one text in any number of records, so
// the time that checking names takes is bounded by count * kMaxNameBytes and
// not by the size of the metadata. None grows with a model's layers unless
// noted.

/// One object a kind of device; a plan has one today.
inline constexpr uint32_t kMaxExecutables = 256;
/// Layers use buffers in turn, so that a decoder has some 20 whatever its
/// depth. A graph whose layers all keep a value for later (13 buffers a layer
/// is the most that a decoder layer binds) may have 1,260 layers.
inline constexpr uint32_t kMaxBuffers = 16384;
/// One a class of batch sizes; a plan has three today.
inline constexpr uint32_t kMaxPrograms = 64;
/// ISA features that LLVM knows of one architecture: fewer than 200.
inline constexpr uint32_t kMaxFeatures = 256;
/// Kernels of all executables. Layers of one shape and dtype share theirs: a
/// mixed 405B model has 50.
inline constexpr uint32_t kMaxEntries = 65536;
/// GGUF bounds a tensor's name at 64 bytes; a matrix joined of q, k and v has
/// three names.
inline constexpr size_t kMaxNameBytes = 1024;

/// "RULE: WHERE: WHAT" as VerificationFailed.
inline Status broken(const char *rule, const std::string &where,
                     const std::string &what) {
  return verificationError(std::string(rule) + ": " + where + ": " + what);
}

inline std::string str(uint64_t value) { return std::to_string(value); }

inline std::string_view textOf(const flatbuffers::String *value) {
  return value == nullptr ? std::string_view() : value->string_view();
}

/// A name for a message: one line, bounded.
std::string shown(std::string_view name);

/// Names are not empty, at most kMaxNameBytes and free of control bytes.
Status checkName(const char *rule, const std::string &where,
                 std::string_view name);

template <typename T> uint32_t sizeOf(const flatbuffers::Vector<T> *values) {
  return values == nullptr ? 0 : values->size();
}

/// "segment 3 'layer.0.ffn_in'".
template <typename T>
std::string label(const char *what, uint32_t index, const T &record) {
  return std::string(what) + " " + str(index) + " '" +
         shown(textOf(record.name())) + "'";
}

/// plan.enum: `name` is what the schema calls the value, "" for none.
Status checkEnum(const std::string &where, const char *field, uint64_t value,
                 const char *name);

// VerifyModel.cpp
Status verifyPresence(const plan::Plan &plan);
Status verifyModel(const plan::Plan &plan);
Status verifyTokenizer(const plan::Plan &plan);
Status verifySampling(const plan::Plan &plan);
Status verifyMachine(const plan::Plan &plan);
Status verifyProvenance(const plan::Plan &plan);

// VerifySegments.cpp
Status verifySegments(const plan::Plan &plan, uint64_t fileBytes,
                      uint64_t pageBytes);
Status verifyTensors(const plan::Plan &plan);
Status verifyExecutables(const plan::Plan &plan);

// VerifyBudgets.cpp
Status verifyKv(const plan::Plan &plan);

// VerifyPrograms.cpp
Status verifyBuffers(const plan::Plan &plan);
Status verifyPrograms(const plan::Plan &plan);

// VerifyReads.cpp
Status verifyLiveness(const plan::Plan &plan);
Status verifyReads(const plan::Plan &plan);

// VerifyBudgets.cpp, after the programs
Status verifyBudgets(const plan::Plan &plan);
Status verifyPredictions(const plan::Plan &plan);

} // namespace air::rules

#endif // AIRPACK_FORMATS_PLAN_PLANRULES_H
