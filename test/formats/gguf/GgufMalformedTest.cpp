//===- GgufMalformedTest.cpp - one named test per defect ------------------===//
#include "GgufBuilder.h"

#include "formats/gguf/GgufReader.h"

#include <gtest/gtest.h>

#include <functional>

using namespace air;
using namespace air::test;

namespace {

struct Malformed {
  const char *name;
  ErrorCode code;
  const char *piece; ///< must occur in the error message
  std::function<Bytes()> make;
};

void PrintTo(const Malformed &kind, std::ostream *out) { *out << kind.name; }

constexpr ErrorCode kCorrupt = ErrorCode::Corrupt;
constexpr ErrorCode kUnsupported = ErrorCode::Unsupported;

GgufBuilder versioned(uint32_t version) {
  GgufBuilder builder;
  builder.version = version;
  return builder;
}

/// Returns a file whose only metadata entry is "key", with the given type and
/// raw value.
Bytes entry(uint32_t type, const Bytes &value) {
  return GgufBuilder().raw("key", type, value).build();
}

Bytes arrayHead(uint32_t type, uint64_t count) {
  Bytes bytes;
  append(bytes, type);
  append(bytes, count);
  return bytes;
}

Bytes oneTensor(GgufBuilder::Tensor tensor) {
  return GgufBuilder().tensor(std::move(tensor)).build();
}

Bytes cut(Bytes bytes, size_t size) {
  bytes.resize(size);
  return bytes;
}

template <typename T> Bytes aligned(T alignment) {
  return GgufBuilder()
      .value<T>("general.alignment", alignment)
      .tensor({"a", {1}, 0, Bytes(4)})
      .build();
}

const Malformed kMalformed[] = {
    // These cases have a defect in the header.
    {"Empty", kCorrupt, "truncated at byte 0: the magic number needs 4 bytes",
     [] { return Bytes(); }},
    {"CutInMagic", kCorrupt, "needs 4 bytes, but 3 are left",
     [] { return Bytes{'G', 'G', 'U'}; }},
    {"WrongMagic", kCorrupt, "not a GGUF file: it starts with 'GGML'",
     [] {
       GgufBuilder builder;
       builder.magic = "GGML";
       return builder.build();
     }},
    {"BinaryMagic", kCorrupt, "it starts with 'PK\\x03\\x04'",
     [] {
       GgufBuilder builder;
       builder.magic = "PK\x03\x04";
       return builder.build();
     }},
    {"CutInVersion", kCorrupt, "truncated at byte 4: the version",
     [] { return cut(GgufBuilder().build(), 6); }},
    {"Version0", kUnsupported, "version 0",
     [] { return versioned(0).build(); }},
    {"Version1", kUnsupported, "version 1",
     [] { return versioned(1).build(); }},
    {"Version4", kUnsupported, "version 4 at byte 4 is not supported",
     [] { return versioned(4).build(); }},
    {"BigEndian", kUnsupported, "big-endian",
     [] { return versioned(0x03000000).build(); }},
    {"CutInTensorCount", kCorrupt, "truncated at byte 8: the tensor count",
     [] { return cut(GgufBuilder().build(), 12); }},
    {"CutInMetadataCount", kCorrupt, "truncated at byte 16: the metadata count",
     [] { return cut(GgufBuilder().build(), 20); }},
    {"MetadataCountHuge", kCorrupt,
     "metadata count at byte 16 is 18446744073709551615",
     [] {
       GgufBuilder builder;
       builder.metadataCount = UINT64_MAX;
       return builder.value<uint8_t>("a", 1).build();
     }},
    {"TensorCountHuge", kCorrupt,
     "tensor count at byte 8 is 4611686018427387904",
     [] {
       GgufBuilder builder;
       builder.tensorCount = uint64_t{1} << 62;
       return builder.tensor({"a", {1}, 0, Bytes(4)}).build();
     }},
    {"MetadataCountOneMore", kCorrupt, "metadata entry 1: truncated",
     [] {
       GgufBuilder builder;
       builder.metadataCount = 2;
       return builder.text("key", "a long enough text").build();
     }},
    {"TensorCountOneMore", kCorrupt, "tensor 1: the name at byte 59 is empty",
     [] {
       GgufBuilder builder;
       builder.tensorCount = 2;
       return builder.tensor({"abc", {1}, 0, Bytes(64)}).build();
     }},

    // These cases have a defect in a key or a value.
    {"KeyPastEnd", kCorrupt, "the key needs 1000 bytes, but 7 are left",
     [] {
       GgufBuilder builder;
       builder.metadataCount = 1;
       append<uint64_t>(builder.afterMetadata, 1000);
       append(builder.afterMetadata, Bytes(7));
       return builder.build();
     }},
    {"KeyEmpty", kCorrupt, "metadata entry 0: the key at byte 24 is empty",
     [] { return GgufBuilder().text("", "value").build(); }},
    {"KeyTooLong", kCorrupt, "has 65536 bytes; at most 65535 are allowed",
     [] {
       return GgufBuilder().text(std::string(65536, 'k'), "value").build();
     }},
    {"KeyTwice", kCorrupt, "metadata 'key' appears a second time at byte 40",
     [] {
       return GgufBuilder()
           .value<uint8_t>("key", 1)
           .value<uint8_t>("key", 2)
           .build();
     }},
    {"ValueTypeUnknown", kCorrupt, "unknown value type 13 at byte 35",
     [] { return entry(13, Bytes(8)); }},
    {"ValueTypeMissing", kCorrupt,
     "metadata 'key': truncated at byte 35: the value's type needs 4 bytes, "
     "but 3 are left",
     [] { return cut(entry(kUint8, Bytes(8)), 38); }},
    {"ScalarCut", kCorrupt, "the value needs 8 bytes, but 7 are left",
     [] { return entry(kUint64, Bytes(7)); }},
    {"BoolTwo", kCorrupt, "the boolean at byte 39 is 2, neither 0 nor 1",
     [] { return entry(kBool, {2}); }},
    {"StringPastEnd", kCorrupt, "the string needs 9 bytes, but 3 are left",
     [] {
       Bytes value;
       append<uint64_t>(value, 9);
       append(value, Bytes(3));
       return entry(kString, value);
     }},
    {"StringLengthOverflow", kCorrupt,
     "the string needs 18446744073709551615 bytes",
     [] {
       Bytes value;
       append(value, UINT64_MAX);
       return entry(kString, value);
     }},
    {"ArrayElementTypeMissing", kCorrupt, "the array's element type",
     [] { return entry(kArray, Bytes(2)); }},
    {"ArrayElementTypeUnknown", kCorrupt, "unknown element type 99",
     [] { return entry(kArray, arrayHead(99, 0)); }},
    {"ArrayOfArrays", kUnsupported, "holds arrays",
     [] { return entry(kArray, arrayHead(kArray, 1)); }},
    {"ArrayCountHuge", kCorrupt, "claims 2305843009213693953 elements of 8",
     [] { return entry(kArray, arrayHead(kUint64, (uint64_t{1} << 61) + 1)); }},
    {"ArrayOneTooMany", kCorrupt, "claims 4 elements of 2 bytes, but 7",
     [] {
       Bytes value = arrayHead(kInt16, 4);
       append(value, Bytes(7));
       return entry(kArray, value);
     }},
    // The reader must refuse a count of elements that cannot fit in the rest of
    // the file.
    {"ArrayOfStringsHuge", kCorrupt, "strings of at least 8 bytes",
     [] { return entry(kArray, arrayHead(kString, uint64_t{1} << 40)); }},
    {"ArrayOfStringsCut", kCorrupt, "a string needs 100 bytes, but 8 are left",
     [] {
       Bytes value = arrayHead(kString, 2);
       append<uint64_t>(value, 100);
       append(value, Bytes(8));
       return entry(kArray, value);
     }},
    {"ArrayOfBoolsHuge", kCorrupt, "needs 1099511627776 bytes",
     [] { return entry(kArray, arrayHead(kBool, uint64_t{1} << 40)); }},
    {"ArrayBoolSeven", kCorrupt, "is 7, neither 0 nor 1",
     [] {
       Bytes value = arrayHead(kBool, 2);
       append(value, Bytes{1, 7});
       return entry(kArray, value);
     }},

    // These cases have a defect in the alignment.
    {"Alignment0", kCorrupt, "'general.alignment' is 0, not a power of two",
     [] { return aligned<uint32_t>(0); }},
    {"Alignment48", kCorrupt, "is 48, not a power of two",
     [] { return aligned<uint32_t>(48); }},
    {"AlignmentFloat", kCorrupt, "is not an unsigned integer",
     [] { return aligned<float>(32.0F); }},
    {"AlignmentNegative", kCorrupt, "is not an unsigned integer",
     [] { return aligned<int32_t>(-32); }},
    {"AlignmentBeyondFile", kCorrupt, "the next multiple of 65536",
     [] { return aligned<uint32_t>(65536); }},
    {"AlignmentOverflow", kCorrupt, "the next multiple of 9223372036854775808",
     [] { return aligned<uint64_t>(uint64_t{1} << 63); }},

    // These cases have a defect in a tensor's record.
    {"TensorNameEmpty", kCorrupt, "tensor 0: the name at byte 24 is empty",
     [] { return oneTensor({"", {1}, 0, Bytes(4)}); }},
    {"TensorNamePastEnd", kCorrupt, "tensor 0: truncated at byte 32: the name",
     [] {
       Bytes file = oneTensor({"abc", {1}, 0, Bytes(4)});
       file[25] = 1; // the name's length becomes 3 + 256 bytes
       return file;
     }},
    {"TensorTwice", kCorrupt, "tensor 'a' appears twice",
     [] {
       return GgufBuilder()
           .tensor({"a", {1}, 0, Bytes(4)})
           .tensor({"a", {1}, 0, Bytes(4)})
           .build();
     }},
    {"TensorInfoCut", kCorrupt, "tensor 'b': truncated",
     [] {
       Bytes file = GgufBuilder()
                        .tensor({"abcdefgh", {1, 1, 1, 1}, 0, Bytes(4)})
                        .tensor({"b", {1, 1, 1, 1}, 0, Bytes(4)})
                        .build();
       return cut(file, 24 + 64 + 9 + 4 + 8 + 8 + 1);
     }},
    {"NoDimension", kCorrupt, "the number of dimensions at byte 33 is 0",
     [] { return oneTensor({"a", {}, 0, Bytes(64)}); }},
    {"FiveDimensions", kCorrupt, "the number of dimensions at byte 33 is 5",
     [] { return oneTensor({"a", {1, 1, 1, 1, 1}, 0, Bytes(4)}); }},
    {"DimensionZero", kCorrupt, "dimension 1 at byte 45 is 0",
     [] { return oneTensor({"a", {4, 0}, 0, Bytes(4)}); }},
    {"RowOverflow", kCorrupt, "takes 2^64 bytes or more",
     [] { return oneTensor({"a", {uint64_t{1} << 63}, 0, Bytes(4)}); }},
    {"SizeOverflow", kCorrupt, "it takes 2^64 bytes or more: dimension 1 has",
     [] {
       return oneTensor(
           {"a", {uint64_t{1} << 40, uint64_t{1} << 40}, 0, Bytes(4)});
     }},
    {"SizeWrapsToSmall", kCorrupt, "it takes 2^64 bytes or more",
     [] {
       return oneTensor(
           {"a", {4, uint64_t{1} << 30, uint64_t{1} << 30, 16}, 0, Bytes(64)});
     }},
    {"RowNoWholeBlocks", kCorrupt,
     "a row of 100 elements is not a whole number of Q4_K blocks of 256",
     [] { return oneTensor({"a", {100, 256}, 12, Bytes(20000)}); }},
    {"TypeWithdrawn", kUnsupported, "type id 4 is Q4_2, which ggml has",
     [] { return oneTensor({"a", {32}, 4, Bytes(64)}); }},
    {"TypeOfFork", kUnsupported, "IQ4_KS, a type of the fork ik_llama.cpp",
     [] { return oneTensor({"a", {256}, 144, Bytes(256)}); }},
    {"TypeUnknown", kUnsupported, "type id 77 is unknown",
     [] { return oneTensor({"a", {32}, 77, Bytes(64)}); }},
    {"OffsetUnaligned", kCorrupt,
     "offset 16 is not a multiple of the alignment",
     [] { return oneTensor({"a", {1}, 0, Bytes(64), 16}); }},
    {"OffsetPastEnd", kCorrupt,
     "at data offset 1024 do not fit in the 64 bytes",
     [] { return oneTensor({"a", {1}, 0, Bytes(64), 1024}); }},
    {"OffsetOverflow", kCorrupt, "at data offset 18446744073709551584",
     [] { return oneTensor({"a", {16}, 0, Bytes(64), UINT64_MAX - 31}); }},
    {"DataOneByteShort", kCorrupt,
     "its 64 bytes at data offset 0 do not fit in the 63 bytes of data from "
     "byte 64; the file may be incomplete",
     [] {
       Bytes file = oneTensor({"a", {16}, 0, Bytes(64)});
       return cut(file, file.size() - 1);
     }},
    {"DataMissing", kCorrupt, "the header ends at byte 57",
     [] { return cut(oneTensor({"a", {1}, 0, Bytes(4)}), 60); }},
    {"TensorsOverlap", kCorrupt,
     "tensor 'b' at byte 128 overlaps tensor 'a', which ends at byte 160",
     [] {
       return GgufBuilder()
           .tensor({"a", {16}, 0, Bytes(64)})
           .tensor({"b", {1}, 0, Bytes(64), 32})
           .build();
     }},
    {"TensorsSamePlace", kCorrupt, "overlaps",
     [] {
       return GgufBuilder()
           .tensor({"a", {1}, 0, Bytes(4)})
           .tensor({"b", {1}, 0, Bytes(4), 0})
           .build();
     }},
};

class GgufMalformed : public testing::TestWithParam<Malformed> {};

TEST_P(GgufMalformed, IsRefusedWithAReason) {
  const Malformed &kind = GetParam();
  Bytes file = kind.make();
  Result<ModelSource> model = parseGguf(file, "broken.gguf");
  ASSERT_FALSE(model.isOk());
  const std::string &message = model.status().message();
  EXPECT_EQ(model.status().code(), kind.code) << message;
  EXPECT_NE(message.find(kind.piece), std::string::npos) << message;
  EXPECT_EQ(message.find("'broken.gguf': "), 0U) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(Kinds, GgufMalformed, testing::ValuesIn(kMalformed),
                         [](const auto &param) { return param.param.name; });

TEST(GgufMalformedNames, AreSafeInMessages) {
  std::string hostile = "evil\n\x1b[31m'" + std::string(200, 'x');
  Bytes file = oneTensor({hostile, {100}, 12, Bytes(64)});
  Result<ModelSource> model = parseGguf(file, "broken.gguf");
  ASSERT_FALSE(model.isOk());
  const std::string &message = model.status().message();
  EXPECT_NE(message.find("'evil\\x0a\\x1b[31m\\x27xxx"), std::string::npos);
  EXPECT_NE(message.find("xxx...'"), std::string::npos);
  EXPECT_LT(message.size(), 300U);
}

} // namespace
