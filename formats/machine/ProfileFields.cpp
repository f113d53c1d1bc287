//===- ProfileFields.cpp - fields of a profile's JSON ---------------------===//
#include "formats/machine/ProfileFields.h"

#include <algorithm>
#include <array>
#include <set>

namespace air {

/// Names in plans have the same limit (rule plan.machine.name).
static constexpr size_t kMaxNameBytes = 1024;

Status ProfileFields::fail(const std::string &field,
                           const std::string &what) const {
  return corruptError("'" + where + "': field '" + prefix + field + "' " +
                      what);
}

Status ProfileFields::onlyKnows(std::span<const char *const> keys,
                                const char *owner) const {
  for (const auto &item : object.items()) {
    if (std::find(keys.begin(), keys.end(), item.key()) != keys.end()) {
      continue;
    }
    std::string known;
    for (size_t i = 0; i < keys.size(); ++i) {
      known += i == 0 ? "" : i + 1 == keys.size() ? " and " : ", ";
      known += keys[i];
    }
    return fail(item.key(), "is not known; the fields of " +
                                std::string(owner) + " are " + known);
  }
  return Status::ok();
}

Status ProfileFields::readNumber(const char *field, uint64_t low, uint64_t high,
                                 uint64_t &value) const {
  const auto it = object.find(field);
  if (it == object.end()) {
    return Status::ok();
  }
  const std::string takes = "; it must be a whole number from " +
                            std::to_string(low) + " to " + std::to_string(high);
  if (!it->is_number_unsigned()) {
    return fail(field, "is " + shown(*it) + takes);
  }
  const auto number = it->get<uint64_t>();
  if (number < low || number > high) {
    return fail(field, "is " + std::to_string(number) + takes);
  }
  value = number;
  return Status::ok();
}

Status ProfileFields::readText(const char *field, std::string &value) const {
  const auto it = object.find(field);
  if (it == object.end()) {
    return Status::ok();
  }
  if (!it->is_string()) {
    return fail(field, "is " + shown(*it) + "; it must be a string");
  }
  value = *it->get_ptr<const std::string *>();
  return Status::ok();
}

Status ProfileFields::checkName(const std::string &name) const {
  if (name.empty() || name.find('/') != std::string::npos) {
    return fail("name",
                "is \"" + name +
                    "\"; it must be a string that is not empty and has no '/'");
  }
  if (name.size() > kMaxNameBytes) {
    return fail("name", "has " + std::to_string(name.size()) +
                            " bytes; at most " + std::to_string(kMaxNameBytes) +
                            " are allowed");
  }
  for (size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<unsigned char>(name[i]);
    if (byte < 0x20 || byte == 0x7f) {
      return fail("name", "has the control character " + std::to_string(byte) +
                              " at byte " + std::to_string(i) +
                              "; control characters are not allowed");
    }
  }
  return Status::ok();
}

std::string ProfileFields::shown(const ProfileJson &value) {
  if (value.is_structured()) {
    return value.is_array() ? "an array" : "an object";
  }
  std::string text =
      value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  constexpr size_t kShown = 40;
  return text.size() <= kShown ? text : text.substr(0, kShown) + "...";
}

ProfileJson parseProfileJson(const std::string &json, std::string &repeated) {
  // Element D holds the keys of the object that is open at depth D. A list
  // counts as a level, too. The array has enough elements for every valid
  // profile and every valid ProbeCache.
  std::array<std::set<std::string>, 6> seen;
  auto onEvent = [&](int depth, ProfileJson::parse_event_t event,
                     ProfileJson &parsed) {
    const auto level = static_cast<size_t>(depth);
    if (event == ProfileJson::parse_event_t::object_start &&
        level + 1 < seen.size()) {
      seen[level + 1].clear();
    }
    if (event == ProfileJson::parse_event_t::key && level < seen.size() &&
        repeated.empty()) {
      const auto &key = *parsed.get_ptr<const std::string *>();
      if (!seen[level].insert(key).second) {
        repeated = key;
      }
    }
    return true;
  };
  return ProfileJson::parse(json, onEvent, /*allow_exceptions=*/false);
}

} // namespace air
