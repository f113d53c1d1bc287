//===- RandomModel.cpp - models of any shape with random weights ----------===//
#include "tools/air-gen/RandomModel.h"

#include "formats/support/CountText.h"
#include "tools/air-gen/GgufWriter.h"

#include <bit>
#include <cstring>

namespace air::gen {

namespace {

/// Word `index` of the random sequence `stream`. The generator is SplitMix64
/// (Steele, Lea, Flood 2014) with a counter instead of a state, so that any
/// piece of a tensor can be generated on its own.
uint64_t randomWord(uint64_t stream, uint64_t index) {
  uint64_t z = stream + (index + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

uint16_t halfOf(float value) {
  return std::bit_cast<uint16_t>(static_cast<_Float16>(value));
}

/// The block scale with which random codes decode to weights with a standard
/// deviation of about 0.02; 0 if `dtype` has no such scale or is not supported.
float scaleFor(DType dtype) {
  switch (dtype) {
  case DType::Q8_0:
    return 0.02F / 74;
  case DType::Q6_K:
    return 0.02F / (18.5F * 74);
  case DType::Q4_0:
  case DType::Q4_1:
    return 0.02F / 4.6F;
  case DType::Q5_0:
  case DType::Q5_1:
    return 0.02F / 9.2F;
  case DType::Q4_K:
    return 0.02F / (4.6F * 32);
  case DType::Q5_K:
    return 0.02F / (9.2F * 32);
  case DType::Q2_K:
    return 0.02F / (1.1F * 8);
  case DType::Q3_K:
    return 0.02F / (2.3F * 18);
  case DType::IQ4_NL:
    return 0.02F / 63;
  case DType::IQ4_XS:
    return 0.02F / (63 * 18);
  case DType::IQ1_S:
  case DType::IQ1_M:
    return 0.02F / (8 * 0.8F);
  case DType::IQ2_XXS:
  case DType::IQ2_XS:
  case DType::IQ2_S:
    return 0.02F / (2 * 27);
  case DType::IQ3_XXS:
    return 0.02F / (4 * 33);
  case DType::IQ3_S:
    return 0.02F / (16 * 9);
  case DType::TQ1_0:
    return 0.02F / 0.8F;
  case DType::TQ2_0:
  case DType::Q2_0:
    return 0.02F / 1.2F;
  case DType::Q1_0:
    return 0.02F;
  case DType::MXFP4:
  case DType::NVFP4:
    return 0x1p-7F;
  default:
    return 0;
  }
}

/// Overwrites the scale of a block if the scale is not stored as one float16.
void putScale(DType dtype, float scale, uint8_t *block) {
  if (dtype == DType::IQ1_M) {
    // The upper 4 bits of each of four words hold a nibble of the float16.
    const uint16_t half = halfOf(scale);
    for (int w = 0; w < 4; ++w) {
      uint8_t &byte = block[49 + 2 * w];
      byte = static_cast<uint8_t>((byte & 15) | (half >> (4 * w) & 15) << 4);
    }
  } else if (dtype == DType::MXFP4) {
    block[0] = 120; // 2^-7 with the exponent's bias of 127
  } else if (dtype == DType::NVFP4) {
    std::memset(block, 4, 4); // 2^-7 as a subnormal E4M3 number
  }
}

bool isPlainFloat(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16;
}

void fillFloats(DType dtype, uint64_t stream, uint64_t first,
                std::span<uint8_t> bytes, float spread, float center) {
  uint64_t width = info(dtype).blockBytes;
  for (uint64_t i = 0; i < bytes.size() / width; ++i) {
    // The sum of 8 random bytes is approximately normally distributed.
    uint64_t word = randomWord(stream, first + i);
    int sum = 0;
    for (int b = 0; b < 8; ++b) {
      sum += static_cast<int>((word >> (8 * b)) & 0xFF);
    }
    float value =
        center + spread * (static_cast<float>(sum) - 1020.0F) / 209.0F;
    uint8_t *out = bytes.data() + i * width;
    if (dtype == DType::F32) {
      std::memcpy(out, &value, 4);
    } else {
      uint16_t half =
          dtype == DType::BF16
              ? static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16)
              : halfOf(value);
      std::memcpy(out, &half, 2);
    }
  }
}

void fillBlocks(DType dtype, uint64_t stream, uint64_t offset,
                std::span<uint8_t> bytes) {
  const DTypeInfo &facts = info(dtype);
  uint64_t first = offset / 8;
  for (uint64_t at = 0; at < bytes.size(); at += 8) {
    uint64_t word = randomWord(stream, first + at / 8);
    std::memcpy(bytes.data() + at, &word,
                std::min<uint64_t>(8, bytes.size() - at));
  }
  // Random bytes are suitable as codes, but scales and minima need a realistic
  // magnitude, so these are overwritten.
  float scale = scaleFor(dtype);
  for (uint64_t block = 0; block * facts.blockBytes < bytes.size(); ++block) {
    putScale(dtype, scale, bytes.data() + block * facts.blockBytes);
    for (const BlockField &field : facts.fields) {
      bool isScale = field.unit == 2 && field.name[0] == 'd';
      bool isMinimum = field.unit == 2 && field.name[0] == 'm';
      if (!isScale && !isMinimum) {
        continue;
      }
      for (uint16_t i = 0; i < field.count; ++i) {
        bool minimum = isMinimum || i == 1 || field.name[1] == 'm';
        uint16_t half = halfOf(minimum ? scale * 7 : scale);
        std::memcpy(bytes.data() + block * facts.blockBytes + field.offset +
                        2 * i,
                    &half, 2);
      }
    }
  }
}

/// Whether `layer` gets more bits in those mixed types of llama.cpp whose names
/// end in _M. The layers with more bits are the first and the last eighth of
/// all layers, and every third layer in between.
bool moreBits(uint32_t layer, uint32_t layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 ||
         (layer - layers / 8) % 3 == 2;
}

struct Mix {
  DType base;
  bool more; ///< whether some layers get Q6_K

  DType forDown(uint32_t layer, uint32_t layers) const {
    return more && moreBits(layer, layers) ? DType::Q6_K : base;
  }
  /// The dtype of attn_v. llama.cpp treats every Llama of 80 layers as a 70B
  /// model, whose attn_v is only an eighth of the size of attn_q. In such a
  /// model, attn_v gets Q5_K where other models have Q4_K.
  DType forV(uint32_t layer, uint32_t layers) const {
    const DType dtype = forDown(layer, layers);
    return more && layers == 80 && dtype == DType::Q4_K ? DType::Q5_K : dtype;
  }
};

Result<Mix> mixOf(const std::string &type) {
  if (type == "Q4_K_M") {
    return Mix{DType::Q4_K, true};
  }
  if (type == "Q5_K_M") {
    return Mix{DType::Q5_K, true};
  }
  std::optional<DType> dtype = dtypeFromName(type);
  if (!dtype || (!isPlainFloat(*dtype) && scaleFor(*dtype) == 0)) {
    return unsupportedError(
        "type '" + type +
        "' is not supported; the supported types are Q4_K_M, Q5_K_M, and all "
        "types of weights in GGUF files (such as F16, Q8_0, Q6_K or IQ4_XS) "
        "except F64");
  }
  return Mix{*dtype, false};
}

/// A byte-level vocabulary: 256 byte tokens, followed by tokens that occur in
/// no text.
std::vector<std::string> vocabularyOf(uint32_t size) {
  std::vector<std::string> pieces;
  auto utf8 = [](uint32_t code) {
    std::string text;
    if (code < 0x80) {
      text.push_back(static_cast<char>(code));
    } else {
      text.push_back(static_cast<char>(0xC0 | code >> 6));
      text.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    }
    return text;
  };
  // In GPT-2's byte alphabet, printable bytes represent themselves, and the
  // other bytes become the code points from 256 upwards.
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    bool printable = (byte >= 33 && byte <= 126) ||
                     (byte >= 161 && byte <= 172) || byte >= 174;
    pieces.push_back(utf8(printable ? byte : next++));
  }
  while (pieces.size() < size) {
    pieces.push_back("<filler_" + std::to_string(pieces.size()) + ">");
  }
  return pieces;
}

} // namespace

const std::vector<ModelShape> &knownShapes() {
  static const std::vector<ModelShape> shapes = {
      {"1b", 16, 2048, 32, 8, 64, 8192, 128256, 131072, true},
      {"3b", 28, 3072, 24, 8, 128, 8192, 128256, 131072, true},
      {"8b", 32, 4096, 32, 8, 128, 14336, 128256, 131072, false},
      {"70b", 80, 8192, 64, 8, 128, 28672, 128256, 131072, false},
      {"405b", 126, 16384, 128, 8, 128, 53248, 128256, 131072, false},
  };
  return shapes;
}

/// The metadata and the tensor index of the model, without the tensors' bytes.
static Result<GgufWriter> describeModel(const ModelShape &shape,
                                        const std::string &type) {
  AIR_ASSIGN_OR_RETURN(Mix mix, mixOf(type));
  if (shape.vocabulary < 257) {
    return usageError("a vocabulary of " + countOf(shape.vocabulary, "token") +
                      " is too small; 256 byte tokens and an end "
                      "token need 257");
  }
  GgufWriter writer;
  writer.add("general.architecture", std::string("llama"));
  writer.add("general.name", "random " + shape.name + " " + type);
  writer.add("llama.block_count", shape.layers);
  writer.add("llama.context_length", shape.context);
  writer.add("llama.embedding_length", shape.width);
  writer.add("llama.feed_forward_length", shape.ffn);
  writer.add("llama.attention.head_count", shape.heads);
  writer.add("llama.attention.head_count_kv", shape.kvHeads);
  writer.add("llama.attention.key_length", shape.headDim);
  writer.add("llama.attention.value_length", shape.headDim);
  writer.add("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  writer.add("llama.rope.dimension_count", shape.headDim);
  writer.add("llama.rope.freq_base", 500000.0F);
  writer.add("llama.vocab_size", shape.vocabulary);
  writer.add("tokenizer.ggml.model", std::string("gpt2"));
  writer.add("tokenizer.ggml.pre", std::string("gpt-2"));
  writer.add("tokenizer.ggml.tokens", vocabularyOf(shape.vocabulary));
  std::vector<int32_t> types(shape.vocabulary, 1);
  types.back() = 3; // the last token, which ends texts, is a control token
  writer.add("tokenizer.ggml.token_type", types);
  writer.add("tokenizer.ggml.merges", std::vector<std::string>{"! !"});
  writer.add("tokenizer.ggml.eos_token_id", shape.vocabulary - 1);
  writer.add("tokenizer.ggml.bos_token_id", shape.vocabulary - 1);
  writer.add("tokenizer.ggml.add_bos_token", false);

  auto matrix = [&](const std::string &name, DType dtype, uint64_t rows,
                    uint64_t columns) {
    writer.addTensor({name, dtype, {rows, columns}});
  };
  auto vector = [&](const std::string &name, uint64_t size) {
    writer.addTensor({name, DType::F32, {size}});
  };
  uint64_t width = shape.width;
  uint64_t qWidth = uint64_t{shape.heads} * shape.headDim;
  uint64_t kvWidth = uint64_t{shape.kvHeads} * shape.headDim;
  DType head = mix.more ? DType::Q6_K : mix.base;
  matrix("token_embd.weight", shape.tiedEmbeddings ? head : mix.base,
         shape.vocabulary, width);
  for (uint32_t layer = 0; layer < shape.layers; ++layer) {
    std::string prefix = "blk." + std::to_string(layer) + ".";
    vector(prefix + "attn_norm.weight", width);
    matrix(prefix + "attn_q.weight", mix.base, qWidth, width);
    matrix(prefix + "attn_k.weight", mix.base, kvWidth, width);
    matrix(prefix + "attn_v.weight", mix.forV(layer, shape.layers), kvWidth,
           width);
    matrix(prefix + "attn_output.weight", mix.base, width, qWidth);
    vector(prefix + "ffn_norm.weight", width);
    matrix(prefix + "ffn_gate.weight", mix.base, shape.ffn, width);
    matrix(prefix + "ffn_up.weight", mix.base, shape.ffn, width);
    matrix(prefix + "ffn_down.weight", mix.forDown(layer, shape.layers), width,
           shape.ffn);
  }
  vector("output_norm.weight", width);
  if (!shape.tiedEmbeddings) {
    matrix("output.weight", head, shape.vocabulary, width);
  }

  return writer;
}

Status writeModelHeaders(const ModelShape &shape, const std::string &type,
                         AtomicFile file) {
  AIR_ASSIGN_OR_RETURN(GgufWriter writer, describeModel(shape, type));
  return writer.writeHeaders(std::move(file));
}

Status writeRandomModel(const ModelShape &shape, const std::string &type,
                        uint64_t seed, AtomicFile file) {
  AIR_ASSIGN_OR_RETURN(GgufWriter writer, describeModel(shape, type));
  const std::vector<GgufTensor> &tensors = writer.allTensors();
  return writer.write(std::move(file), [&](size_t index, uint64_t offset,
                                           std::span<uint8_t> bytes) {
    const GgufTensor &tensor = tensors[index];
    uint64_t stream = randomWord(seed, index);
    bool norm = tensor.shape.size() == 1;
    if (isPlainFloat(tensor.dtype)) {
      fillFloats(tensor.dtype, stream, offset / info(tensor.dtype).blockBytes,
                 bytes, norm ? 0.1F : 0.02F, norm ? 1.0F : 0.0F);
    } else {
      fillBlocks(tensor.dtype, stream, offset, bytes);
    }
  });
}

} // namespace air::gen
