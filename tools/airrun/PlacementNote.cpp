//===- PlacementNote.cpp - which placement of a plan for a GPU ------------===//
#include "tools/airrun/PlacementNote.h"

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
  return "the plan needs " + vramOf(0) + " of the memory of GPU " +
         inQuotes(session.gpu()->name()->str()) +
         " to be fastest, but less is free, so " + vramOf(session.placement()) +
         " are used, and " +
         byteText(copiedBytesPerPass(*placements.Get(session.placement()))) +
         " of weights are copied to the GPU for every token; end other "
         "programs that use the GPU";
}

} // namespace air
