//===- KeptSequence.cpp - a sequence that outlives an answer --------------===//
#include "runtime/exec/KeptSequence.h"

#include <algorithm>
#include <utility>

using namespace air;
using namespace air::rt;

Result<KeptSequence> KeptSequence::create(Session &session) {
  AIR_ASSIGN_OR_RETURN(const SequenceId started, session.newSequence());
  return KeptSequence(session, started);
}

KeptSequence::KeptSequence(KeptSequence &&other) noexcept
    : session(std::exchange(other.session, nullptr)), sequence(other.sequence),
      held(std::move(other.held)) {}

KeptSequence::~KeptSequence() {
  if (session != nullptr) {
    session->endSequence(sequence);
  }
}

Result<uint64_t> KeptSequence::keepPrefix(std::span<const int32_t> wanted) {
  const auto [mine, theirs] = std::ranges::mismatch(held, wanted);
  auto common = static_cast<uint64_t>(mine - held.begin());
  if (!wanted.empty()) {
    common = std::min<uint64_t>(common, wanted.size() - 1);
  }
  AIR_RETURN_IF_ERROR(session->truncate(sequence, common));
  held.resize(common);
  return common;
}

void KeptSequence::append(std::span<const int32_t> run) {
  held.insert(held.end(), run.begin(), run.end());
  held.resize(std::min<uint64_t>(held.size(), session->length(sequence)));
}
