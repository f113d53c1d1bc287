//===- Vocabularies.cpp - vocabularies made by hand -------------*- C++ -*-===//
#include "Vocabularies.h"

namespace air::rt {
namespace {

std::string utf8(unsigned codePoint) {
  if (codePoint < 0x80) {
    return {static_cast<char>(codePoint)};
  }
  return {static_cast<char>(0xc0 | (codePoint >> 6)),
          static_cast<char>(0x80 | (codePoint & 0x3f))};
}

} // namespace

TokenizerData smallBpe(const std::vector<std::string> &merges,
                       const std::string &pre) {
  TokenizerData data;
  data.kind = TokenizerKind::Bpe;
  data.pre = pre;
  // In byte-level BPE, the 256 bytes are spelled by U+0021 to U+007E, U+00A1 to
  // U+00FF without U+00AD, and U+0100 to U+0143.
  for (unsigned c = 0x21; c < 0x144; ++c) {
    if ((c > 0x7e && c < 0xa1) || c == 0xad) {
      continue;
    }
    appendToken(data, utf8(c), TokenType::Normal);
  }
  data.merges = merges;
  for (std::string merge : merges) {
    merge.erase(merge.find(' '), 1);
    appendToken(data, merge, TokenType::Normal);
  }
  return data;
}

TokenizerData smallSpm(const std::vector<std::string> &pieces) {
  TokenizerData data;
  data.kind = TokenizerKind::Spm;
  data.unknown = appendToken(data, "<unk>", TokenType::Unknown);
  data.bos = appendToken(data, "<s>", TokenType::Control);
  data.eos = appendToken(data, "</s>", TokenType::Control);
  data.addBos = true;
  data.endOfGeneration = {data.eos};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    appendToken(data, name, TokenType::Byte);
  }
  data.scores.assign(data.tokens.size(), 0);
  for (size_t i = 0; i < pieces.size(); ++i) {
    appendToken(data, pieces[i], TokenType::Normal);
    data.scores.back() = -static_cast<float>(i);
  }
  return data;
}

std::vector<std::string> mergedByDefinition(
    std::string_view word,
    const std::vector<std::pair<std::string, std::string>> &merges) {
  std::vector<std::string> parts;
  for (char c : word) {
    parts.emplace_back(1, c);
  }
  for (bool merged = true; merged;) {
    merged = false;
    for (const auto &[left, right] : merges) {
      for (size_t i = 0; i + 1 < parts.size() && !merged; ++i) {
        if (parts[i] == left && parts[i + 1] == right) {
          parts[i] += right;
          parts.erase(parts.begin() + static_cast<ptrdiff_t>(i) + 1);
          merged = true;
        }
      }
      if (merged) {
        break;
      }
    }
  }
  return parts;
}

int32_t appendToken(TokenizerData &data, const std::string &text,
                    TokenType type) {
  data.tokens.push_back(text);
  data.types.push_back(type);
  if (data.kind == TokenizerKind::Spm) {
    data.scores.push_back(0);
  }
  return static_cast<int32_t>(data.tokens.size() - 1);
}

} // namespace air::rt
