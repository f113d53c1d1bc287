//===- PlacementNote.cpp - which placement of a plan for a GPU ------------===//
#include "tools/airrun/PlacementNote.h"

#include "formats/plan/CodedSegments.h"
#include "formats/plan/CopiedBytes.h"
#include "formats/support/ByteText.h"
#include "formats/support/Printable.h"
#include "runtime/exec/PlanDevice.h"

namespace air {

std::string placementNote(const rt::Session &session) {
  if (session.gpu() == nullptr || session.placement() == 0) {
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
