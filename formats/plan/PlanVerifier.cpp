//===- PlanVerifier.cpp - every rule a plan must obey ---------------------===//
#include "formats/plan/PlanVerifier.h"

#include "formats/plan/FatPlan.h"
#include "formats/plan/PlanHeader.h"
#include "formats/plan/PlanRules.h"

#include <optional>

namespace air {

namespace rules {

std::string shown(std::string_view name) {
  constexpr size_t kShown = 80;
  std::string text(name.substr(0, kShown));
  for (char &c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      c = '?';
    }
  }
  return name.size() > kShown ? text + "..." : text;
}

Status checkName(const char *rule, const std::string &where,
                 std::string_view name) {
  if (name.empty()) {
    return broken(rule, where, "has no name");
  }
  if (name.size() > kMaxNameBytes) {
    return broken(rule, where,
                  "the name has " + str(name.size()) + " bytes; at most " +
                      str(kMaxNameBytes) + " are allowed");
  }
  for (char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      return broken(rule, where, "the name contains a control character");
    }
  }
  return Status::ok();
}

Status checkDevice(const char *rule, const plan::Plan &plan, uint32_t device,
                   const std::string &where) {
  if (device >= deviceCount(plan)) {
    return broken(rule, where,
                  "refers to device " + str(device) +
                      "; device numbers of this plan must be below " +
                      str(deviceCount(plan)) + " (0 is the CPU)");
  }
  return Status::ok();
}

Status checkEnum(const std::string &where, const char *field, uint64_t value,
                 const char *name) {
  if (name[0] == '\0') {
    return broken("plan.enum", where,
                  std::string(field) + " is " + str(value) +
                      ", which this version does not know");
  }
  return Status::ok();
}

} // namespace rules

/// The length of the list of names of an executable, or nullopt if the list
/// lies outside the buffer. `place` is the element of the list of executables
/// that refers to this executable.
static std::optional<uint64_t> countEntries(flatbuffers::Verifier &verifier,
                                            const uint8_t *buffer,
                                            const uint8_t *place) {
  const auto at = static_cast<size_t>(place - buffer);
  const flatbuffers::uoffset_t offset = verifier.VerifyOffset(at);
  if (offset == 0 || !verifier.VerifyTableStart(place + offset)) {
    return std::nullopt;
  }
  verifier.EndTable(); // undoes the ++depth of VerifyTableStart()
  const uint8_t *start = place + offset;
  const flatbuffers::voffset_t field =
      reinterpret_cast<const flatbuffers::Table *>(start)
          ->GetOptionalFieldOffset(plan::Executable::VT_ENTRIES);
  if (field == 0) {
    return 0;
  }
  const flatbuffers::uoffset_t list = verifier.VerifyOffset(start, field);
  const auto *names =
      reinterpret_cast<const flatbuffers::Vector<flatbuffers::uoffset_t> *>(
          start + field + list);
  return list != 0 && verifier.VerifyVector(names)
             ? std::optional<uint64_t>(names->size())
             : std::nullopt;
}

using TableOffsets = flatbuffers::Vector<flatbuffers::uoffset_t>;
/// Returns the list of tables in field `field` of the table at `start`, as a
/// list of offsets. Returns null if the table does not have the field, and
/// nullopt if the list lies outside the buffer. VerifyTableStart() must have
/// accepted the table at `start`.
static std::optional<const TableOffsets *>
tableList(flatbuffers::Verifier &verifier, const uint8_t *start,
          flatbuffers::voffset_t field) {
  const flatbuffers::voffset_t place =
      reinterpret_cast<const flatbuffers::Table *>(start)
          ->GetOptionalFieldOffset(field);
  if (place == 0) {
    return nullptr;
  }
  const flatbuffers::uoffset_t offset = verifier.VerifyOffset(start, place);
  const auto *list =
      reinterpret_cast<const TableOffsets *>(start + place + offset);
  return offset != 0 && verifier.VerifyVector(list)
             ? std::optional<const TableOffsets *>(list)
             : std::nullopt;
}

/// Returns whether the number of executables of the table Plan at `start` is
/// within its limit, and their lists of names have no more entries in total
/// than fit in a buffer of `bytes` bytes. This must be checked before the
/// FlatBuffer verifier runs: if many executables shared one long list, the
/// verifier would visit all strings of the list once for each executable, which
/// takes long even if the buffer is small. No other list of the schema allows
/// this: max_tables limits the work on lists of tables, and the only other list
/// of strings, Machine.features, occurs once in a plan.
static bool boundedExecutables(flatbuffers::Verifier &verifier,
                               const uint8_t *buffer, size_t bytes,
                               const uint8_t *start) {
  if (!verifier.VerifyTableStart(start)) {
    return false;
  }
  verifier.EndTable(); // undoes the ++depth of VerifyTableStart()
  const auto executables =
      tableList(verifier, start, plan::Plan::VT_EXECUTABLES);
  if (!executables) {
    return false;
  }
  if (*executables == nullptr) {
    return true;
  }
  if ((*executables)->size() > rules::kMaxExecutables) {
    return false;
  }
  uint64_t entries = 0;
  for (uint32_t i = 0; i < (*executables)->size(); ++i) {
    const std::optional<uint64_t> more = countEntries(
        verifier, buffer, (*executables)->Data() + i * sizeof(uint32_t));
    if (!more) {
      return false;
    }
    entries += *more;
  }
  // An entry of a list is an offset of 4 bytes. If there are more entries than
  // fit in the buffer, several executables refer to the same list.
  return entries <= bytes / sizeof(flatbuffers::uoffset_t);
}

/// Returns whether boundedExecutables() is true for the plan or, if this is a
/// fat plan, for all of its targets. Also returns false if a fat plan has more
/// than kMaxTargets targets.
static bool boundedTargets(flatbuffers::Verifier &verifier,
                           std::span<const uint8_t> bytes) {
  const flatbuffers::uoffset_t root = verifier.VerifyOffset(size_t{0});
  if (root == 0) {
    return false;
  }
  const uint8_t *start = bytes.data() + root;
  if (!isFatPlan(bytes)) {
    return boundedExecutables(verifier, bytes.data(), bytes.size(), start);
  }
  if (!verifier.VerifyTableStart(start)) {
    return false;
  }
  verifier.EndTable();
  const auto targets = tableList(verifier, start, plan::FatPlan::VT_TARGETS);
  if (!targets || *targets == nullptr || (*targets)->size() > kMaxTargets) {
    return false;
  }
  for (uint32_t i = 0; i < (*targets)->size(); ++i) {
    const auto at = static_cast<size_t>((*targets)->Data() - bytes.data()) +
                    i * sizeof(flatbuffers::uoffset_t);
    const flatbuffers::uoffset_t offset = verifier.VerifyOffset(at);
    if (offset == 0 || !boundedExecutables(verifier, bytes.data(), bytes.size(),
                                           bytes.data() + at + offset)) {
      return false;
    }
  }
  return true;
}

std::vector<const plan::Plan *> targetsIn(std::span<const uint8_t> bytes) {
  if (!isFatPlan(bytes)) {
    return {plan::GetPlan(bytes.data())};
  }
  std::vector<const plan::Plan *> list;
  const auto *targets =
      flatbuffers::GetRoot<plan::FatPlan>(bytes.data())->targets();
  for (uint32_t i = 0; i < rules::sizeOf(targets); ++i) {
    list.push_back(targets->Get(i));
  }
  return list;
}

/// Checks the alignment of the elements of Placement.resident, the only list of
/// 64-bit numbers. The FlatBuffer verifier checks only the alignment of a
/// list's length, which has 32 bits.
static Status verifyAlignment(const plan::Plan &plan, const uint8_t *buffer) {
  for (uint32_t i = 0; i < rules::sizeOf(plan.placements()); ++i) {
    const auto *resident = plan.placements()->Get(i)->resident();
    if (resident != nullptr &&
        static_cast<uint64_t>(resident->Data() - buffer) % sizeof(uint64_t) !=
            0) {
      return verificationError("plan.structure: the list 'resident' of "
                               "placement " +
                               std::to_string(i) +
                               " does not begin at a multiple of 8 bytes");
    }
  }
  return Status::ok();
}

Status verifyStructure(std::span<const uint8_t> bytes) {
  auto refuse = [&](const std::string &what) {
    return verificationError("plan.structure: " + what);
  };
  // The lower limit is the size of the root offset and the identifier, four
  // bytes each, with which a FlatBuffer starts. The upper limit is less than
  // the 2 GiB that the FlatBuffer verifier accepts.
  if (bytes.size() < 2 * sizeof(flatbuffers::uoffset_t) ||
      bytes.size() > kMaxMetadataBytes) {
    return refuse("the metadata has " + std::to_string(bytes.size()) +
                  " bytes; it must have 8 to " +
                  std::to_string(kMaxMetadataBytes));
  }
  const bool isFat = isFatPlan(bytes);
  if (!isFat && !plan::PlanBufferHasIdentifier(bytes.data())) {
    return refuse("the metadata is not a plan's FlatBuffer (its identifier "
                  "is neither \"" +
                  std::string(plan::PlanIdentifier()) + "\" nor \"" +
                  kFatPlanIdentifier + "\")");
  }
  flatbuffers::Verifier::Options options;
  // The deepest nesting has 5 levels, for example Plan > Program > Step >
  // Dispatch > Grid. In a fat plan, it has 6. One more level is allowed.
  options.max_depth = isFat ? 7 : 6;
  // Every table takes at least 8 bytes of the metadata: the offset that refers
  // to it, and the offset of its vtable. FlatBuffers counts a table once for
  // each reference to it. In a fat plan, every target may refer to every table,
  // so a table may count kMaxTargets times.
  options.max_tables = static_cast<flatbuffers::uoffset_t>(
      bytes.size() / 8 * (isFat ? kMaxTargets : 1));
  flatbuffers::Verifier shape(bytes.data(), bytes.size(), options);
  if (!boundedTargets(shape, bytes)) {
    return refuse("the list of executables or one of their lists of names lies "
                  "outside the metadata, the lists of names overlap, there "
                  "are more than " +
                  std::to_string(rules::kMaxExecutables) +
                  " executables, or more than " + std::to_string(kMaxTargets) +
                  " targets");
  }
  flatbuffers::Verifier verifier(bytes.data(), bytes.size(), options);
  if (isFat ? !verifier.VerifyBuffer<plan::FatPlan>(kFatPlanIdentifier)
            : !plan::VerifyPlanBuffer(verifier)) {
    return refuse(
        "the metadata is damaged: an offset or a size in it leads beyond its " +
        std::to_string(bytes.size()) + " bytes");
  }
  for (const plan::Plan *plan : targetsIn(bytes)) {
    AIR_RETURN_IF_ERROR(verifyAlignment(*plan, bytes.data()));
  }
  return Status::ok();
}

Status rules::verifyTarget(const plan::Plan &plan, uint64_t fileBytes,
                           uint64_t pageBytes, bool isWholeFile) {
  AIR_RETURN_IF_ERROR(rules::verifyPresence(plan));
  AIR_RETURN_IF_ERROR(rules::verifyModel(plan));
  AIR_RETURN_IF_ERROR(rules::verifyTokenizer(plan));
  AIR_RETURN_IF_ERROR(rules::verifySampling(plan));
  AIR_RETURN_IF_ERROR(rules::verifyMachine(plan));
  AIR_RETURN_IF_ERROR(rules::verifyProvenance(plan));
  AIR_RETURN_IF_ERROR(rules::verifySourceNames(plan));
  AIR_RETURN_IF_ERROR(
      rules::verifySegments(plan, fileBytes, pageBytes, isWholeFile));
  AIR_RETURN_IF_ERROR(rules::verifyTensors(plan));
  AIR_RETURN_IF_ERROR(rules::verifySourceRows(plan));
  AIR_RETURN_IF_ERROR(rules::verifyExecutables(plan));
  AIR_RETURN_IF_ERROR(rules::verifyCaches(plan));
  AIR_RETURN_IF_ERROR(rules::verifyBuffers(plan));
  AIR_RETURN_IF_ERROR(rules::verifyPrograms(plan));
  AIR_RETURN_IF_ERROR(rules::verifyChoices(plan));
  AIR_RETURN_IF_ERROR(rules::verifyLiveness(plan));
  AIR_RETURN_IF_ERROR(rules::verifyReads(plan));
  return rules::verifyPlacements(plan, pageBytes);
}

Status verifyPlan(const plan::Plan &plan, uint64_t fileBytes,
                  uint64_t pageBytes) {
  return rules::verifyTarget(plan, fileBytes, pageBytes, /*isWholeFile=*/true);
}

Status verifyMetadata(std::span<const uint8_t> bytes, uint64_t fileBytes,
                      uint64_t pageBytes) {
  AIR_RETURN_IF_ERROR(verifyStructure(bytes));
  return isFatPlan(bytes)
             ? verifyFatPlan(*flatbuffers::GetRoot<plan::FatPlan>(bytes.data()),
                             fileBytes, pageBytes)
             : verifyPlan(*plan::GetPlan(bytes.data()), fileBytes, pageBytes);
}

} // namespace air
