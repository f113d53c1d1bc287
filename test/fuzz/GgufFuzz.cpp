//===- GgufFuzz.cpp - any bytes as a GGUF file ----------------------------===//
//
// Whatever the bytes are, parseGguf() and readGgufTokenizer() must return, and
// it must be possible to read every tensor of an accepted file to its end.
//
//===----------------------------------------------------------------------===//
#include "formats/gguf/GgufReader.h"

#include <cstdlib>

using namespace air;

namespace {

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void requireReason(const Status &status) {
  require(status.code() == ErrorCode::Corrupt ||
          status.code() == ErrorCode::Unsupported);
  require(!status.message().empty() &&
          status.message().find('\n') == std::string::npos);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::span<const uint8_t> file(data, size);
  Result<ModelSource> model = parseGguf(file, "fuzz.gguf");
  if (!model) {
    requireReason(model.status());
    return 0;
  }
  // Each read is volatile, so the compiler cannot remove it.
  for (const auto &[name, tensor] : model->tensors) {
    for (const uint8_t &byte : tensor.data) {
      static_cast<void>(*static_cast<const volatile uint8_t *>(&byte));
    }
  }
  Result<TokenizerData> tokenizer = readGgufTokenizer(*model);
  if (!tokenizer) {
    requireReason(tokenizer.status());
  }
  return 0;
}
