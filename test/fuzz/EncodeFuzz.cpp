//===- EncodeFuzz.cpp - any text under any small vocabulary -----*- C++ -*-===//
//
// The first byte of the input chooses options. Then come lines, each a token or
// a merge, up to an empty line, and then the text. Encoding must not crash, and
// every id must lie in the vocabulary. If well-formed text is encoded with
// byte-level BPE, decoding the ids must restore the text or, with the
// pre-tokenizer qwen2, give its Normalization Form C.
//
//===----------------------------------------------------------------------===//
#include "formats/model/ByteLevel.h"
#include "formats/text/unicode/Normalize.h"
#include "runtime/text/Detokenizer.h"

#include <cstdio>
#include <cstdlib>

using namespace air;
using namespace air::rt;

namespace {

void require(bool holds, const char *what) {
  if (!holds) {
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
  }
}

void append(TokenizerData &data, std::string token, TokenType type) {
  data.tokens.push_back(std::move(token));
  data.types.push_back(type);
  if (data.kind == TokenizerKind::Spm) {
    data.scores.push_back(-static_cast<float>(data.tokens.size() % 17));
  }
}

/// Appends one token for each byte. The token's text is the printable spelling
/// of the byte in byte-level BPE.
void appendBytes(TokenizerData &data) {
  std::string bytes;
  for (unsigned c = 0x21; c < 0x144; ++c) {
    std::string spelling =
        c < 0x80 ? std::string(1, static_cast<char>(c))
                 : std::string{static_cast<char>(0xc0 | (c >> 6)),
                               static_cast<char>(0x80 | (c & 63))};
    if (bytesOfSpelling(spelling, bytes)) {
      append(data, spelling, TokenType::Normal);
    }
  }
}

TokenizerData vocabulary(uint8_t choices, std::string_view lines) {
  static const char *const pres[] = {"default", "gpt-2", "llama-bpe", "qwen2"};
  TokenizerData data;
  data.kind = (choices & 1) != 0 ? TokenizerKind::Spm : TokenizerKind::Bpe;
  data.pre = pres[(choices >> 1) & 3];
  data.addSpacePrefix = (choices & 8) != 0;
  data.removeExtraWhitespaces = (choices & 16) != 0;
  if (data.kind == TokenizerKind::Bpe) {
    appendBytes(data);
  } else {
    data.unknown = 0;
    append(data, "<unk>", TokenType::Unknown);
    for (int byte = 0; byte < 256 && (choices & 32) == 0; ++byte) {
      char name[8];
      std::snprintf(name, sizeof(name), "<0x%02X>", byte);
      append(data, name, TokenType::Byte);
    }
  }
  while (!lines.empty()) {
    size_t end = std::min(lines.find('\n'), lines.size());
    std::string line(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
    TokenType type = line.starts_with('!')   ? TokenType::Control
                     : line.starts_with('?') ? TokenType::UserDefined
                                             : TokenType::Normal;
    size_t space = line.find(' ', 1);
    if (data.kind == TokenizerKind::Bpe && type == TokenType::Normal &&
        space != std::string::npos && space + 1 < line.size()) {
      data.merges.push_back(line);
      line.erase(space, 1);
    }
    append(data, line, type);
  }
  return data;
}

bool isWellFormed(std::string_view text) {
  std::string repaired;
  return appendValidUtf8(text, repaired) == 0 && repaired == text;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size == 0) {
    return 0;
  }
  uint8_t choices = bytes[0];
  std::string_view rest(reinterpret_cast<const char *>(bytes) + 1, size - 1);
  size_t blank = std::min(rest.find("\n\n"), rest.size());
  std::string_view text = rest.substr(std::min(blank + 2, rest.size()));
  TokenizerData data = vocabulary(choices, rest.substr(0, blank));
  bool composes = data.pre == "qwen2";
  bool isBpe = data.kind == TokenizerKind::Bpe;
  Result<Tokenizer> tokenizer = Tokenizer::create(std::move(data));
  if (!tokenizer.isOk()) {
    const std::string &why = tokenizer.status().message();
    require(!why.empty() && why.find('\n') == std::string::npos,
            "an error says why in one line");
    return 0;
  }
  std::vector<int32_t> ids = tokenizer->encode(text, true, (choices & 64) != 0);
  for (int32_t id : ids) {
    require(id >= 0 && id < tokenizer->vocabSize(), "ids are tokens");
  }
  std::string back = decode(*tokenizer, ids, true);
  require(isWellFormed(back), "decoded text is UTF-8");
  if (isBpe && isWellFormed(text)) {
    require(back == (composes ? normalized(text, NormalForm::C) : text),
            "byte-level BPE loses nothing");
  }
  return 0;
}
