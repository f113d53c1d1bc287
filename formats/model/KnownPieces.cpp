//===- KnownPieces.cpp - pieces whose text shows their type ---------------===//
#include "formats/model/KnownPieces.h"

#include "formats/support/CountText.h"
#include "formats/support/Printable.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace air {

namespace {

// The pieces that end generation according to llama.cpp (src/llama-vocab.cpp,
// October 2026).
constexpr std::string_view kEndPieces[] = {
    // These pieces end a turn.
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<\xef\xbd\x9c"
    "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
    "<end_of_utterance>",
    // This piece ends a message after which the model waits for the result of a
    // tool.
    "<|eom_id|>",
    // Generation also stops at these pieces: most of them end a text, an answer
    // or a tool call.
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "</s>",
    "[EOS]",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "[e~[",
};

// Pieces of fill-in-the-middle prompts. They end generation, because no answer
// continues after them. Code and web pages may contain them as ordinary text,
// so they count only if their type is Control or UserDefined.
constexpr std::string_view kFillInPieces[] = {
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
};

bool contains(const TokenizerData &data, std::string_view piece) {
  return std::ranges::find(data.tokens, piece) != data.tokens.end();
}

/// In some vocabularies, this piece ends a message. An answer then consists of
/// several messages, for example an analysis and the final text, so the piece
/// ends neither the answer nor generation.
constexpr std::string_view kEndOfMessage = "<|end|>";

/// Returns whether `piece`, which is in kEndPieces, has another meaning in this
/// vocabulary.
bool isNoEnd(const TokenizerData &data, std::string_view piece) {
  if (piece == kEndOfMessage) {
    // These pieces show that an answer consists of several messages.
    return (contains(data, "<|channel|>") && contains(data, "<|return|>")) ||
           (contains(data, "<|calls|>") && contains(data, "<|flush|>"));
  }
  // In a vocabulary with <|tool_response>, </s> is the tag that closes
  // struck-out text in HTML.
  return piece == "</s>" && contains(data, "<|tool_response>");
}

/// Returns whether a merge produces `piece`. Merges never produce control
/// tokens, so such a piece is ordinary text, for example the HTML tag "</s>" in
/// Qwen 2.
bool isMadeByMerge(const TokenizerData &data, std::string_view piece) {
  return std::ranges::any_of(data.merges, [&](std::string_view merge) {
    size_t space =
        merge.find(data.rules.pipeline.isSet ? kMergeBorder : ' ', 1);
    return merge.size() == piece.size() + 1 &&
           space != std::string_view::npos &&
           merge.substr(0, space) == piece.substr(0, space) &&
           merge.substr(space + 1) == piece.substr(space);
  });
}

const char *nameOf(TokenType type) {
  switch (type) {
  case TokenType::Undefined:
    return "undefined";
  case TokenType::Normal:
    return "normal";
  case TokenType::Unknown:
    return "unknown";
  case TokenType::Control:
    return "control";
  case TokenType::UserDefined:
    return "user-defined";
  case TokenType::Unused:
    return "unused";
  case TokenType::Byte:
    return "byte";
  }
  return "none";
}

} // namespace

std::optional<uint8_t> byteOfPiece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') {
    return std::nullopt;
  }
  unsigned value = 0;
  for (char c : piece.substr(3, 2)) {
    unsigned digit = c >= '0' && c <= '9'   ? c - '0'
                     : c >= 'A' && c <= 'F' ? c - 'A' + 10
                     : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                            : 16;
    if (digit == 16) {
      return std::nullopt;
    }
    value = value * 16 + digit;
  }
  return static_cast<uint8_t>(value);
}

bool isKnownEndPiece(std::string_view piece) {
  return std::ranges::find(kEndPieces, piece) != std::end(kEndPieces);
}

void setControl(TokenizerData &data, size_t id) {
  data.types[id] = TokenType::Control;
  if (!data.matching.empty()) {
    data.matching[id] &= static_cast<uint8_t>(~match_flags::kPiece);
  }
}

void markBytePieces(TokenizerData &data) {
  std::array<bool, 256> known{};
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    std::optional<uint8_t> byte = byteOfPiece(data.tokens[id]);
    if (byte && data.types[id] == TokenType::Byte) {
      known[*byte] = true;
    }
  }
  size_t count = 0;
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    std::optional<uint8_t> byte = byteOfPiece(data.tokens[id]);
    bool isText = data.types[id] == TokenType::Normal ||
                  data.types[id] == TokenType::Undefined;
    if (byte && isText && !known[*byte]) {
      known[*byte] = true;
      data.types[id] = TokenType::Byte;
      ++count;
    }
  }
  if (count != 0) {
    data.notes.push_back(
        countOf(count, "token") +
        " with names from <0x00> to <0xFF> do not have "
        "the type of byte tokens; they are treated as byte tokens");
  }
}

/// Makes token `id` a control token and adds a note, unless it is a control
/// token already. In the note, `ends` says what the token is known to end, and
/// `effect` follows the words "a control token".
static void makeControl(TokenizerData &data, size_t id, const char *ends,
                        const char *effect) {
  const TokenType type = data.types[id];
  if (type == TokenType::Control) {
    return;
  }
  data.notes.push_back("token " + std::to_string(id) + ", '" + data.tokens[id] +
                       "', is known to end " + ends + ", but its type is " +
                       nameOf(type) + "; it is treated as a control token" +
                       effect);
  setControl(data, id);
}

void markEndPieces(TokenizerData &data) {
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    const std::string &piece = data.tokens[id];
    const TokenType type = data.types[id];
    if (isKnownEndPiece(piece)) {
      if (type != TokenType::Control && isMadeByMerge(data, piece)) {
        continue;
      }
      if (isNoEnd(data, piece)) {
        if (piece == kEndOfMessage && type != TokenType::UserDefined) {
          makeControl(data, id, "a message", "");
        }
        continue;
      }
      makeControl(data, id, "a turn or a text", " that ends generation");
    } else if (std::ranges::find(kFillInPieces, piece) ==
                   std::end(kFillInPieces) ||
               (type != TokenType::Control && type != TokenType::UserDefined)) {
      continue;
    }
    data.endOfGeneration.push_back(static_cast<int32_t>(id));
  }
  std::ranges::sort(data.endOfGeneration);
  auto rest = std::ranges::unique(data.endOfGeneration);
  data.endOfGeneration.erase(rest.begin(), rest.end());
}

void addEndOfGeneration(TokenizerData &data, int32_t id) {
  std::vector<int32_t> &ends = data.endOfGeneration;
  const auto at = std::ranges::lower_bound(ends, id);
  if (at == ends.end() || *at != id) {
    ends.insert(at, id);
  }
}

void addNamedTemplate(TokenizerData &data, const std::string &name,
                      std::string source) {
  // Names in plans have the same limit.
  constexpr size_t kMaxName = 1024;
  const bool isName =
      !name.empty() && name.size() <= kMaxName &&
      std::none_of(name.begin(), name.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
      });
  if (!isName) {
    data.notes.push_back("the chat template " + inQuotes(name) +
                         " is left out, because its name must have 1 to 1024 "
                         "bytes and no control characters");
    return;
  }
  data.namedTemplates[name] = std::move(source);
}

} // namespace air
