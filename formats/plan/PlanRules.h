//===- PlanRules.h - the verifier's parts -----------------------*- C++ -*-===//
//
// Internal to formats/plan. verifyPlan runs the parts in the order below; each
// may rely on what the earlier ones have checked. Every part is total: it reads
// only what the FlatBuffer verifier has bounded. Its time is nearly linear in
// the size of the metadata; counts are limited where it would not be.
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

// Limits on counts. Any number of records in a FlatBuffer may share one string,
// so the time to check names is bounded by count * kMaxNameBytes, not by the
// size of the metadata. No count grows with a model's layers unless noted.

/// There is one object for each kind of device, so a plan for a CPU has one.
inline constexpr uint32_t kMaxExecutables = 256;
/// Layers share buffers, so a decoder of any depth has some 20. Even a graph
/// whose layers all keep their values for later may have 1,260 layers, because
/// a decoder layer binds at most 13 buffers.
inline constexpr uint32_t kMaxBuffers = 16384;
/// There is one program for each class of batch sizes, and there are three
/// classes.
inline constexpr uint32_t kMaxPrograms = 64;
/// LLVM knows fewer than 200 ISA features of an architecture.
inline constexpr uint32_t kMaxFeatures = 256;
/// Kernels of all executables. Layers of the same shape and dtype share them; a
/// 405B model of mixed dtypes has 50.
inline constexpr uint32_t kMaxEntries = 65536;
/// GGUF bounds a tensor's name at 64 bytes; the name of a matrix joined from q,
/// k and v consists of three such names.
inline constexpr size_t kMaxNameBytes = 1024;

/// A VerificationFailed error with the message "RULE: WHERE: WHAT".
inline Status broken(const char *rule, const std::string &where,
                     const std::string &what) {
  return verificationError(std::string(rule) + ": " + where + ": " + what);
}

inline std::string str(uint64_t value) { return std::to_string(value); }

inline std::string_view textOf(const flatbuffers::String *value) {
  return value == nullptr ? std::string_view() : value->string_view();
}

/// A name for a message: on one line, and of bounded length.
std::string shown(std::string_view name);

/// A name has 1 to kMaxNameBytes bytes and no control characters.
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

/// Rule plan.enum. `name` is the schema's name for the value, "" if it has
/// none.
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
