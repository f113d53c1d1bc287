//===- ProfileFields.h - fields of a profile's JSON -------------*- C++ -*-===//
//
// Code that ProfileJson.cpp, CpuRatesJson.cpp, DiskRatesJson.cpp, GpuJson.cpp
// and ProbeCache.cpp share. Errors are Corrupt and name the file, the field
// and, in most cases, its value and the values that the field accepts.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_PROFILEFIELDS_H
#define AIRPACK_FORMATS_MACHINE_PROFILEFIELDS_H

#include "formats/machine/MachineProfile.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

namespace air {

using ProfileJson = nlohmann::ordered_json;

/// The largest number that a profile may contain. Many of the numbers count
/// bytes, and file offsets and the compiler's IR can hold such counts only as
/// signed 64-bit numbers.
inline constexpr uint64_t kMaxProfileNumber = INT64_MAX;

/// Reads and checks the fields of a JSON object.
class ProfileFields {
public:
  /// `where` is the name of the file. `prefix`, such as "cpu.", stands before
  /// the names of fields in messages. `object` must outlive the ProfileFields.
  ProfileFields(const ProfileJson &object, std::string where,
                std::string prefix = "")
      : object(object), where(std::move(where)), prefix(std::move(prefix)) {}

  Status fail(const std::string &field, const std::string &what) const;

  /// Fails if the object has a key that is not in `keys`. `owner` is what the
  /// message calls the object, such as "a profile".
  Status onlyKnows(std::span<const char *const> keys, const char *owner) const;

  /// These two functions read a number from `low` to `high`, or a string. They
  /// leave `value` unchanged if the field is absent.
  Status readNumber(const char *field, uint64_t low, uint64_t high,
                    uint64_t &value) const;
  Status readText(const char *field, std::string &value) const;

  /// Checks that `name`, the value of the field "name", is not empty, is not
  /// too long, and contains no '/' and no control characters, because names end
  /// up in plans and in one-line messages.
  Status checkName(const std::string &name) const;

  /// Returns any value as one short line of text. The contents of lists and
  /// objects are left out, because printing recurses and a file may nest deeper
  /// than the stack allows.
  static std::string shown(const ProfileJson &value);

private:
  const ProfileJson &object;
  std::string where;
  std::string prefix;
};

/// Parses `json`, and sets `repeated` to the first key that an object has
/// twice, if any. JSON does not define which of the two values counts, so the
/// caller must refuse such an object. If `json` is not valid JSON, the result
/// is a discarded value (is_discarded()).
ProfileJson parseProfileJson(const std::string &json, std::string &repeated);

/// Implements parseProfile() for JSON that is already parsed.
Result<MachineProfile> profileFrom(const ProfileJson &object,
                                   const std::string &where);
/// The JSON object that toJson() writes for a profile.
ProfileJson profileJson(const MachineProfile &profile);

/// Reads the object "cpu" of the profile `object`, if there is one.
Status readCpuRates(const ProfileJson &object, const std::string &where,
                    CpuRates &rates);

/// The object "cpu" for `rates`, with every key, except that planes_decode,
/// zstd_decode, bf16_tile and byte_tile are left out if they are not known.
ProfileJson cpuRatesJson(const CpuRates &rates);

/// Reads the object "disk" of the profile `object`, if there is one.
Status readDiskRates(const ProfileJson &object, const std::string &where,
                     MachineProfile &profile);

/// The object "disk", or null if the profile has no rate that belongs in this
/// object.
ProfileJson diskRatesJson(const MachineProfile &profile);

/// Reads the list "gpus" of the profile `object`, if there is one.
Status readGpus(const ProfileJson &object, const std::string &where,
                std::vector<GpuProfile> &gpus);

/// The list "gpus", with every key of each GPU.
ProfileJson gpusJson(const std::vector<GpuProfile> &gpus);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_PROFILEFIELDS_H
