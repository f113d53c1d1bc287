//===- Charsmap.cpp - sentencepiece's normalisation rules -----------------===//
#include "formats/model/Charsmap.h"

#include <algorithm>
#include <cstring>

namespace air {
namespace {

constexpr uint32_t kIsValue = uint32_t{1} << 31;

uint32_t offsetOf(uint32_t unit) {
  return (unit >> 10) << ((unit & 0x200) >> 6);
}
/// Returns the label of a unit of the trie, which is the byte that leads to it.
/// The result is above 255 if the unit holds a value and has no label.
uint32_t labelOf(uint32_t unit) { return unit & (kIsValue | 0xff); }
/// Whether a rule ends at this unit. If so, offsetOf() leads to the unit with
/// the rule's value.
bool endsRule(uint32_t unit) { return (unit & 0x100) != 0; }

Status broken(const std::string &what) {
  return corruptError("tokenizer: the normalisation rules "
                      "(precompiled_charsmap) are corrupt: " +
                      what);
}

} // namespace

Result<Charsmap> Charsmap::parse(std::string_view bytes) {
  Charsmap made;
  if (bytes.empty()) {
    return made;
  }
  uint32_t size = 0;
  if (bytes.size() < sizeof(size)) {
    return broken("they have " + std::to_string(bytes.size()) +
                  " bytes; they must have at least 4");
  }
  std::memcpy(&size, bytes.data(), sizeof(size));
  bytes.remove_prefix(sizeof(size));
  if (size == 0 || size % sizeof(uint32_t) != 0 || size >= bytes.size()) {
    return broken("they state a trie of " + std::to_string(size) +
                  " bytes; it must have a multiple of 4 bytes, at least 4, and "
                  "fewer than the " +
                  std::to_string(bytes.size()) + " bytes that follow");
  }
  made.units.resize(size / sizeof(uint32_t));
  std::memcpy(made.units.data(), bytes.data(), size);
  made.replacements = bytes.substr(size);
  if (made.replacements.back() != '\0') {
    return broken("the last replacement does not end with a zero byte");
  }
  for (size_t at = 0; at < made.replacements.size();) {
    const size_t end = made.replacements.find('\0', at);
    made.longest = std::max(made.longest, end - at);
    at = end + 1;
  }
  for (size_t i = 0; i < made.units.size(); ++i) {
    uint32_t unit = made.units[i];
    if ((unit & kIsValue) != 0 || !endsRule(unit)) {
      continue;
    }
    size_t at = i ^ offsetOf(unit);
    if (at >= made.units.size()) {
      return broken("unit " + std::to_string(i) +
                    " of the trie refers to unit " + std::to_string(at) +
                    ", but there are only " +
                    std::to_string(made.units.size()) + " units");
    }
    uint32_t position = made.units[at] & ~kIsValue;
    if (position >= made.replacements.size()) {
      return broken("unit " + std::to_string(i) +
                    " of the trie refers to byte " + std::to_string(position) +
                    " of the replacements, but they have only " +
                    std::to_string(made.replacements.size()) + " bytes");
    }
  }
  return made;
}

Charsmap::Rule Charsmap::find(std::string_view text) const {
  Rule best = {0, {}};
  if (units.empty()) {
    return best;
  }
  size_t at = offsetOf(units[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<uint8_t>(text[i]);
    at ^= byte;
    // No rule contains a zero byte: in the trie, byte 0 leads from the end of a
    // rule to the unit that holds the value of the rule.
    if (byte == 0 || at >= units.size() || labelOf(units[at]) != byte) {
      break;
    }
    uint32_t unit = units[at];
    at ^= offsetOf(unit);
    if (endsRule(unit)) {
      best = {i + 1, replacements.c_str() + (units[at] & ~kIsValue)};
    }
  }
  return best;
}

} // namespace air
