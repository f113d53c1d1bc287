//===- SpaceMark.cpp - U+2581, which stands for a space -------------------===//
#include "runtime/text/SpaceMark.h"

#include <algorithm>

namespace air::rt {

void appendWithSpaces(std::string_view text, std::string &out) {
  while (!text.empty()) {
    size_t at = std::min(text.find(kSpaceMark), text.size());
    out += text.substr(0, at);
    out += at < text.size() ? " " : "";
    text.remove_prefix(std::min(at + kSpaceMark.size(), text.size()));
  }
}

std::string withSpaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  appendWithSpaces(text, out);
  return out;
}

void replaceMarks(std::string &text) {
  size_t end = text.find(kSpaceMark);
  if (end == std::string::npos) {
    return;
  }
  for (size_t at = end; at < text.size();) {
    const size_t next = std::min(text.find(kSpaceMark, at), text.size());
    std::copy(text.begin() + static_cast<ptrdiff_t>(at),
              text.begin() + static_cast<ptrdiff_t>(next),
              text.begin() + static_cast<ptrdiff_t>(end));
    end += next - at;
    if (next < text.size()) {
      text[end++] = ' ';
    }
    at = std::min(next + kSpaceMark.size(), text.size());
  }
  text.resize(end);
}

void collapseSpaces(std::string &text, bool startsWithSpace) {
  if (startsWithSpace && !text.starts_with(' ')) {
    text.insert(0, " ");
  }
  bool wantSpace = startsWithSpace;
  size_t end = 0;
  for (const char c : text) {
    if (c == ' ') {
      wantSpace |= end != 0;
      continue;
    }
    if (wantSpace) {
      text[end++] = ' ';
    }
    wantSpace = false;
    text[end++] = c;
  }
  text.resize(end);
}

bool hasInnerSpace(std::string_view piece) {
  size_t firstOther = piece.find_first_not_of(' ');
  return firstOther != std::string_view::npos &&
         piece.find(' ', firstOther) != std::string_view::npos;
}

bool needsSpace(SpacePrefix prefix, Place place, std::string_view text) {
  switch (prefix) {
  case SpacePrefix::None:
    return false;
  case SpacePrefix::Always:
    return place != Place::AfterNormalizedToken;
  case SpacePrefix::MissingAtStart:
    return place == Place::TextStart && !text.starts_with(' ');
  case SpacePrefix::Missing:
  case SpacePrefix::EveryWord:
    break;
  }
  return !text.starts_with(' ');
}

size_t firstWordEnd(std::string_view text) {
  size_t word = text.find_first_not_of(' ');
  return word == std::string_view::npos
             ? text.size()
             : std::min(text.find(' ', word), text.size());
}

} // namespace air::rt
