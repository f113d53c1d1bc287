//===- TokenizerFuzz.cpp - vocabularies from damaged files ------*- C++ -*-===//
//
// An input that begins with a brace is a tokenizer.json, and any other is a
// tokenizer.model. Reading it must not crash. A vocabulary that is accepted
// must encode any text to ids below its size, and decode these to UTF-8.
//
//===----------------------------------------------------------------------===//
#include "formats/tokenizer/TokenizerFiles.h"
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

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  std::string_view file(reinterpret_cast<const char *>(bytes), size);
  Result<TokenizerData> data = file.starts_with('{')
                                   ? parseTokenizerJson(file)
                                   : parseSentencePieceModel(file);
  Result<Tokenizer> tokenizer =
      data.isOk() ? Tokenizer::create(*std::move(data)) : data.status();
  if (!tokenizer.isOk()) {
    const std::string &why = tokenizer.status().message();
    require(!why.empty() && why.find('\n') == std::string::npos,
            "an error says why in one line");
    return 0;
  }
  for (std::string_view text :
       {std::string_view(" the <left>  time, 2026\n"), file.substr(0, 200)}) {
    std::vector<int32_t> ids = tokenizer->encode(text, true, true);
    for (int32_t id : ids) {
      require(id >= 0 && id < tokenizer->vocabSize(), "ids are tokens");
    }
    std::string back = decode(*tokenizer, ids, true);
    std::string repaired;
    require(appendValidUtf8(back, repaired) == 0 && repaired == back,
            "decoded text is UTF-8");
  }
  return 0;
}
