//===- PlacementNote.cpp - why a plan is not as fast as it can be ---------===//
#include "tools/airrun/PlacementNote.h"

#include "formats/plan/CodedSegments.h"
#include "formats/plan/CopiedBytes.h"
#include "formats/support/ByteText.h"
#include "formats/support/Printable.h"
#include "runtime/exec/PlanDevice.h"

namespace air {

namespace {

/// The note of a session without a GPU.
std::string cpuNote(const rt::Session &session) {
  const auto &placements = *session.plan().placements();
  const uint32_t chosen = session.placement();
  if (chosen <= session.allowedPlacement()) {
    return "";
  }
  const auto ramOf = [&](uint32_t index) {
    return byteText(
        rt::memoryNeed(*placements.Get(index), plan::Tier::Ram).bytes);
  };
  return "the plan needs " + ramOf(session.allowedPlacement()) +
         " of RAM to be fastest, but other processes leave less, so " +
         ramOf(chosen) + " are used, and " +
         byteText(storedBytesPerPass(session.plan(), *placements.Get(chosen))) +
         " of weights are read from the disk for every token; end other "
         "processes that use much memory";
}

} // namespace

std::string placementNote(const rt::Session &session) {
  if (session.gpu() == nullptr) {
    return cpuNote(session);
  }
  if (session.placement() == 0) {
    return "";
  }
  const auto &placements = *session.plan().placements();
  const auto vramOf = [&](uint32_t index) {
    return byteText(
        rt::memoryNeed(*placements.Get(index), plan::Tier::Vram).bytes);
  };
  const plan::Placement &chosen = *placements.Get(session.placement());
  const auto ramOf = [&](const plan::Placement &placement) {
    return byteText(rt::memoryNeed(placement, plan::Tier::Ram).bytes);
  };
  const uint64_t read = storedBytesPerPass(session.plan(), chosen);
  return "the plan needs " + vramOf(0) + " of the memory of GPU " +
         inQuotes(session.gpu()->name()->str()) + " and " +
         ramOf(*placements.Get(0)) +
         " of RAM to be fastest, but less is free, so " +
         vramOf(session.placement()) + " and " + ramOf(chosen) +
         " are used, and " + byteText(copiedBytesPerPass(chosen)) +
         " of weights are copied to the GPU for every token" +
         (read == 0 ? ""
                    : ", of which " + byteText(read) +
                          " are first read from the disk") +
         "; end other programs that use the GPU or much memory";
}

} // namespace air
