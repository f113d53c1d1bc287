//===- CpuRatesJson.cpp - the object "cpu" of a machine profile -----------===//
#include "formats/machine/ProfileFields.h"

#include <algorithm>
#include <iterator>
#include <span>

namespace air {

namespace {

struct Number {
  const char *key;
  uint64_t CpuRates::*field;
};

/// The fields of the object "cpu" are written in this order: kRates, the array
/// "streams", kCosts, kLaterRates.
constexpr Number kRates[] = {{"fma_f32", &CpuRates::fmaF32},
                             {"byte_dot", &CpuRates::byteDot},
                             {"byte_dot_mixed", &CpuRates::byteDotMixed},
                             {"bf16_dot", &CpuRates::bf16Dot},
                             {"read_bandwidth", &CpuRates::readBandwidth}};
constexpr Number kCosts[] = {{"tile_ns", &CpuRates::tileNs},
                             {"barrier_ns", &CpuRates::barrierNs},
                             {"l1d_bytes", &CpuRates::l1dBytes},
                             {"l2_bytes", &CpuRates::l2Bytes},
                             {"l3_bytes", &CpuRates::l3Bytes}};
/// These rates are not written if they are not known, because profiles that
/// were saved before these rates existed must keep the digests of their JSON.
constexpr Number kLaterRates[] = {{"planes_decode", &CpuRates::planesDecode},
                                  {"zstd_decode", &CpuRates::zstdDecode},
                                  {"bf16_tile", &CpuRates::bf16Tile},
                                  {"byte_tile", &CpuRates::byteTile}};

Status readStream(const ProfileJson &object, const std::string &where,
                  const std::string &name, StreamRate &stream) {
  static constexpr const char *kKeys[] = {"loads", "hint", "distance_bytes",
                                          "bandwidth"};
  const ProfileFields fields(object, where, name + ".");
  AIR_RETURN_IF_ERROR(fields.onlyKnows(kKeys, "a stream"));
  for (const char *key : kKeys) {
    if (!object.contains(key)) {
      return fields.fail(key, "is missing; every stream must have loads, hint, "
                              "distance_bytes and bandwidth");
    }
  }
  std::string text;
  AIR_RETURN_IF_ERROR(fields.readText("loads", text));
  const auto loads = streamLoadsOf(text);
  if (!loads) {
    return fields.fail("loads",
                       "is " + ProfileFields::shown(text) +
                           "; it must be single, burst or two_streams");
  }
  AIR_RETURN_IF_ERROR(fields.readText("hint", text));
  const auto hint = streamHintOf(text);
  if (!hint) {
    return fields.fail("hint",
                       "is " + ProfileFields::shown(text) +
                           "; it must be none, nta, t0, t1, t2 or t1t0");
  }
  const bool prefetches = *hint != StreamHint::None;
  uint64_t distance = 0;
  AIR_RETURN_IF_ERROR(fields.readNumber("distance_bytes", prefetches ? 1 : 0,
                                        prefetches ? kMaxPrefetchDistance : 0,
                                        distance));
  stream.loads = *loads;
  stream.hint = *hint;
  stream.distanceBytes = static_cast<uint32_t>(distance);
  return fields.readNumber("bandwidth", 0, kMaxProfileNumber, stream.bandwidth);
}

Status readStreams(const ProfileJson &cpu, const ProfileFields &fields,
                   const std::string &where, std::vector<StreamRate> &streams) {
  const auto it = cpu.find("streams");
  if (it == cpu.end()) {
    return Status::ok();
  }
  if (!it->is_array()) {
    return fields.fail("streams", "is " + ProfileFields::shown(*it) +
                                      "; it must be an array");
  }
  if (it->size() > kMaxStreams) {
    return fields.fail(
        "streams", "has " + std::to_string(it->size()) + " streams; at most " +
                       std::to_string(kMaxStreams) + " are allowed");
  }
  for (size_t i = 0; i < it->size(); ++i) {
    const std::string name = "streams[" + std::to_string(i) + "]";
    if (!(*it)[i].is_object()) {
      return fields.fail(name, "is " + ProfileFields::shown((*it)[i]) +
                                   "; it must be an object");
    }
    AIR_RETURN_IF_ERROR(
        readStream((*it)[i], where, "cpu." + name, streams.emplace_back()));
  }
  std::sort(streams.begin(), streams.end(),
            [](const StreamRate &a, const StreamRate &b) {
              return compareStreams(a, b) < 0;
            });
  const auto twice =
      std::adjacent_find(streams.begin(), streams.end(),
                         [](const StreamRate &a, const StreamRate &b) {
                           return compareStreams(a, b) == 0;
                         });
  if (twice != streams.end()) {
    return fields.fail(
        "streams",
        "has two streams with the loads '" +
            std::string(streamLoadsName(twice->loads)) + "', the hint '" +
            std::string(streamHintName(twice->hint)) + "' and the distance " +
            std::to_string(twice->distanceBytes) +
            "; each combination may appear only once");
  }
  return Status::ok();
}

} // namespace

Status readCpuRates(const ProfileJson &object, const std::string &where,
                    CpuRates &rates) {
  const auto it = object.find("cpu");
  if (it == object.end()) {
    return Status::ok();
  }
  if (!it->is_object()) {
    return ProfileFields(object, where)
        .fail("cpu",
              "is " + ProfileFields::shown(*it) + "; it must be an object");
  }
  const ProfileFields fields(*it, where, "cpu.");
  std::vector<const char *> keys;
  for (const Number &number : kRates) {
    keys.push_back(number.key);
  }
  keys.push_back("streams");
  for (const std::span<const Number> numbers :
       {std::span<const Number>(kCosts),
        std::span<const Number>(kLaterRates)}) {
    for (const Number &number : numbers) {
      keys.push_back(number.key);
    }
  }
  AIR_RETURN_IF_ERROR(fields.onlyKnows(keys, "the object"));
  for (const std::span<const Number> numbers :
       {std::span<const Number>(kRates), std::span<const Number>(kCosts),
        std::span<const Number>(kLaterRates)}) {
    for (const Number &number : numbers) {
      AIR_RETURN_IF_ERROR(fields.readNumber(number.key, 0, kMaxProfileNumber,
                                            rates.*number.field));
    }
  }
  return readStreams(*it, fields, where, rates.streams);
}

ProfileJson cpuRatesJson(const CpuRates &rates) {
  ProfileJson object;
  for (const Number &number : kRates) {
    object[number.key] = rates.*number.field;
  }
  ProfileJson streams = ProfileJson::array();
  for (const StreamRate &stream : rates.streams) {
    ProfileJson entry;
    entry["loads"] = streamLoadsName(stream.loads);
    entry["hint"] = streamHintName(stream.hint);
    entry["distance_bytes"] = stream.distanceBytes;
    entry["bandwidth"] = stream.bandwidth;
    streams.push_back(std::move(entry));
  }
  object["streams"] = std::move(streams);
  for (const Number &number : kCosts) {
    object[number.key] = rates.*number.field;
  }
  for (const Number &number : kLaterRates) {
    if (rates.*number.field != 0) {
      object[number.key] = rates.*number.field;
    }
  }
  return object;
}

} // namespace air
