//===- GrammarFuzz.cpp - any grammar or schema on any text ------*- C++ -*-===//
//
// The input is a grammar or, if its first byte is '{', a JSON schema; a zero
// byte separates it from a text. An error must be one line. Before each byte of
// the text, the mask of allowed tokens must agree with allows(). accept() must
// take a byte that is allowed, and change nothing if it refuses one.
//
//===----------------------------------------------------------------------===//
#include "runtime/text/grammar/GbnfParser.h"
#include "runtime/text/grammar/GrammarMatcher.h"
#include "runtime/text/grammar/JsonSchema.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using namespace air;
using namespace air::rt;

namespace {

void require(bool holds, const char *what) {
  if (!holds) {
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
  }
}

const TokenTrie &vocabulary() {
  static const std::vector<std::string> pieces = [] {
    std::vector<std::string> all;
    for (int i = 0; i < 256; ++i) {
      all.emplace_back(1, static_cast<char>(i));
    }
    for (const char *piece :
         {"ab", "abc", "{\"", "\":", "},{", "12", "\xe2\x82", "\x82\xac",
          "x\xf0\x9f", "aaaaaaaa", ""}) {
      all.emplace_back(piece);
    }
    return all;
  }();
  static const TokenTrie trie(
      static_cast<int32_t>(pieces.size()), [](int32_t id) {
        return std::string_view(pieces[static_cast<size_t>(id)]);
      });
  return trie;
}

/// For each token of the vocabulary, whether it may follow; and, as one more
/// element at the end, whether the text may end.
std::vector<bool> allowedBy(GrammarMatcher &matcher) {
  std::vector<bool> all;
  for (int32_t id = 0; id < vocabulary().size(); ++id) {
    all.push_back(matcher.allows(id));
  }
  all.push_back(matcher.isComplete());
  return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  std::string_view input(reinterpret_cast<const char *>(bytes), size);
  size_t separator = std::min(input.find('\0'), size);
  std::string_view source = input.substr(0, separator);
  GbnfVocabulary tokens{vocabulary().size(), [](std::string_view text) {
                          return static_cast<int32_t>(text.size());
                        }};
  Result<std::shared_ptr<const Grammar>> grammar =
      source.starts_with('{') ? grammarOfSchema(source)
                              : parseGbnf(source, &tokens);
  if (!grammar.isOk()) {
    const std::string &why = grammar.status().message();
    require(!why.empty() && why.find('\n') == std::string::npos,
            "an error says why in one line");
    return 0;
  }
  GrammarMatcher matcher(*grammar, vocabulary(), {256});
  for (char c : input.substr(std::min(separator + 1, size))) {
    auto id = static_cast<int32_t>(static_cast<uint8_t>(c));
    for (int32_t token : {id, 257, 258, 262, 263, 264, 256}) {
      Result<const TokenMask *> mask = matcher.allowed();
      if (!mask.isOk()) {
        return 0;
      }
      require((*mask)->contains(token) == matcher.allows(token),
              "the mask agrees with what is allowed");
    }
    bool isAllowed = matcher.allows(id);
    const std::vector<bool> before = allowedBy(matcher);
    Status status = matcher.accept(id);
    require(isAllowed || allowedBy(matcher) == before,
            "a token that is refused changes nothing");
    require(status.isOk() == isAllowed ||
                status.code() == ErrorCode::DoesNotFit,
            "what is allowed is accepted");
    if (status.code() == ErrorCode::DoesNotFit) {
      return 0;
    }
  }
  return 0;
}
