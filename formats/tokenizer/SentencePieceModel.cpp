//===- SentencePieceModel.cpp - tokenizer.model ---------------------------===//
#include "formats/support/Printable.h"
#include "formats/tokenizer/TokenizerFiles.h"

#include <bit>
#include <cstring>
#include <optional>

namespace air {
namespace {

Status broken(const std::string &what) {
  return corruptError("tokenizer: the SentencePiece model is corrupt: " + what);
}

/// Reads the fields of a message in the wire format of protocol buffers
/// (https://protobuf.dev/programming-guides/encoding).
class WireReader {
public:
  struct Field {
    uint64_t number = 0;
    uint64_t value = 0;     ///< set for a varint or a fixed number
    std::string_view bytes; ///< set for a string or a message
    bool isBytes = false;
  };

  explicit WireReader(std::string_view message) : rest(message) {}
  bool done() const { return rest.empty(); }

  Result<Field> next() {
    Field field;
    AIR_ASSIGN_OR_RETURN(uint64_t key, varint());
    field.number = key >> 3;
    switch (key & 7) {
    case 0: {
      AIR_ASSIGN_OR_RETURN(field.value, varint());
      return field;
    }
    case 1:
    case 5: {
      size_t size = (key & 7) == 1 ? 8 : 4;
      if (rest.size() < size) {
        return broken("it ends inside a number");
      }
      std::memcpy(&field.value, rest.data(), size);
      rest.remove_prefix(size);
      return field;
    }
    case 2: {
      AIR_ASSIGN_OR_RETURN(uint64_t size, varint());
      if (size > rest.size()) {
        return broken("a field has " + std::to_string(size) +
                      " bytes, but only " + std::to_string(rest.size()) +
                      " are left");
      }
      field.bytes = rest.substr(0, size);
      field.isBytes = true;
      rest.remove_prefix(size);
      return field;
    }
    default:
      return broken("field " + std::to_string(field.number) +
                    " has the wire type " + std::to_string(key & 7) +
                    ", which is not supported");
    }
  }

private:
  Result<uint64_t> varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
      auto byte = static_cast<uint8_t>(rest[0]);
      rest.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
    return broken("it ends inside a number, or a number has more than 64 bits");
  }

  std::string_view rest;
};

float floatOf(uint64_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits));
}

class ModelReader {
public:
  Result<TokenizerData> run(std::string_view bytes) {
    for (WireReader reader(bytes); !reader.done();) {
      AIR_ASSIGN_OR_RETURN(WireReader::Field field, reader.next());
      if (field.isBytes && field.number == 1) {
        AIR_RETURN_IF_ERROR(readPiece(field.bytes));
      } else if (field.isBytes && field.number == 2) {
        AIR_RETURN_IF_ERROR(readTrainer(field.bytes));
      } else if (field.isBytes && field.number == 3) {
        AIR_RETURN_IF_ERROR(readNormalizer(field.bytes));
      }
    }
    return finish();
  }

private:
  Status readPiece(std::string_view message) {
    std::string text;
    float score = 0;
    uint64_t type = 1;
    for (WireReader reader(message); !reader.done();) {
      AIR_ASSIGN_OR_RETURN(WireReader::Field field, reader.next());
      if (field.number == 1 && field.isBytes) {
        text = field.bytes;
      } else if (field.number == 2) {
        score = floatOf(field.value);
      } else if (field.number == 3) {
        type = field.value;
      }
    }
    if (type < 1 || type > static_cast<uint64_t>(TokenType::Byte)) {
      return broken("piece " + std::to_string(data.tokens.size()) +
                    " has the type " + std::to_string(type) +
                    "; it must be 1 to 6");
    }
    data.tokens.push_back(std::move(text));
    data.scores.push_back(score);
    // TokenType has the same values as the types of sentencepiece.
    data.types.push_back(static_cast<TokenType>(type));
    return Status::ok();
  }

  Status readTrainer(std::string_view message) {
    for (WireReader reader(message); !reader.done();) {
      AIR_ASSIGN_OR_RETURN(WireReader::Field field, reader.next());
      auto id = static_cast<int32_t>(field.value);
      switch (field.number) {
      case 3:
        modelType = field.value;
        break;
      case 24:
        spaceIsSuffix = field.value != 0;
        break;
      case 40:
        data.unknown = id;
        break;
      case 41:
        data.bos = id;
        break;
      case 42:
        data.eos = id;
        break;
      case 43:
        data.padding = id;
        break;
      default:
        break;
      }
    }
    return Status::ok();
  }

  Status readNormalizer(std::string_view message) {
    for (WireReader reader(message); !reader.done();) {
      AIR_ASSIGN_OR_RETURN(WireReader::Field field, reader.next());
      switch (field.number) {
      case 2:
        data.charsmap = field.bytes;
        break;
      case 3:
        data.addSpacePrefix = field.value != 0;
        break;
      case 4:
        data.removeExtraWhitespaces = field.value != 0;
        break;
      case 5:
        escapesSpaces = field.value != 0;
        break;
      default:
        break;
      }
    }
    return Status::ok();
  }

  Result<TokenizerData> finish() {
    constexpr uint64_t kUnigram = 1;
    constexpr uint64_t kBpe = 2;
    auto refuse = [](const std::string &what) {
      return unsupportedError("tokenizer: the SentencePiece model " + what);
    };
    if (data.tokens.empty()) {
      return broken("it has no pieces");
    }
    if (modelType != kUnigram && modelType != kBpe) {
      return refuse("has the type " + std::to_string(modelType) +
                    "; only 1 (unigram) and 2 (BPE) are supported");
    }
    if (spaceIsSuffix) {
      return refuse("puts spaces after words (treat_whitespace_as_suffix), "
                    "which is not supported");
    }
    if (!escapesSpaces) {
      return refuse("keeps spaces instead of replacing them with U+2581 "
                    "(escape_whitespaces), which is not supported");
    }
    if (modelType == kBpe && !data.charsmap.empty()) {
      return refuse("is of the type BPE and has normalisation rules "
                    "(precompiled_charsmap), which is not supported");
    }
    data.kind =
        modelType == kUnigram ? TokenizerKind::Unigram : TokenizerKind::Spm;
    auto size = static_cast<int64_t>(data.tokens.size());
    for (int32_t *id : {&data.bos, &data.eos, &data.unknown, &data.padding}) {
      *id = *id >= size || *id < 0 ? TokenizerData::kNoToken : *id;
    }
    if (data.eos != TokenizerData::kNoToken) {
      data.endOfGeneration = {data.eos};
    }
    data.addBos = modelType == kBpe && data.bos != TokenizerData::kNoToken;
    data.addEos = modelType == kUnigram && data.eos != TokenizerData::kNoToken;
    return std::move(data);
  }

  TokenizerData data = [] {
    // These are the defaults of sentencepiece_model.proto.
    TokenizerData defaults;
    defaults.unknown = 0;
    defaults.bos = 1;
    defaults.eos = 2;
    defaults.addSpacePrefix = true;
    defaults.removeExtraWhitespaces = true;
    return defaults;
  }();
  uint64_t modelType = 1;
  bool spaceIsSuffix = false;
  bool escapesSpaces = true;
};

} // namespace

Result<TokenizerData> parseSentencePieceModel(std::string_view bytes) {
  return ModelReader().run(bytes);
}

} // namespace air
