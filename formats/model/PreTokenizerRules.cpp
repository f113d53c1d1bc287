//===- PreTokenizerRules.cpp - the expressions of each family -------------===//
//
// The expressions are those of each family's tokenizer.json. Where that file is
// not known, they are those of llama.cpp (src/llama-vocab.cpp). Where llama.cpp
// simplifies a published expression, the published one is used.
//
//===----------------------------------------------------------------------===//
#include "formats/model/PreTokenizerNames.h"

namespace air {

namespace {

using Expressions = std::string_view[];

// Parts that many expressions share.
#define CONTRACTION R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define WORD R"([^\r\n\p{L}\p{N}]?\p{L}+)"
#define SYMBOLS R"( ?[^\s\p{L}\p{N}]+)"
#define SPACE R"(\s*[\r\n]+|\s+(?!\S)|\s+)"
/// CASED_WORD is a word that ends in small letters; capital letters may precede
/// them. CAPITALS is a word that begins with capital letters; small letters may
/// follow them.
#define CASED_WORD                                                             \
  R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*)"                      \
  R"([\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
#define CAPITALS                                                               \
  R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+)"                      \
  R"([\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
#define GPT2                                                                   \
  R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))"
#define GPT4O                                                                  \
  CASED_WORD CONTRACTION "?|" CAPITALS CONTRACTION R"(?|\p{N}{1,3}|)" SYMBOLS  \
                         R"([\r\n/]*|)" SPACE
#define LLAMA3                                                                 \
  CONTRACTION "|" WORD R"(|\p{N}{1,3}|)" SYMBOLS R"([\r\n]*|)" SPACE
#define QWEN2 CONTRACTION "|" WORD R"(|\p{N}|)" SYMBOLS R"([\r\n]*|)" SPACE
#define DEEPSEEK_WORDS                                                         \
  R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)"                         \
  R"(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+)"

constexpr Expressions kDefault = {R"([\p{P}$+<=>^~|]+)", GPT2, R"(\p{N}+)",
                                  "[0-9]{3}"};
constexpr Expressions kFalcon = {R"([\p{P}$+<=>^~|`]+)", GPT2, "[0-9]{3}"};
constexpr Expressions kGpt2 = {GPT2};
constexpr Expressions kStarcoder = {R"(\p{N})", GPT2};
constexpr Expressions kLlama3 = {LLAMA3};
constexpr Expressions kJais2 = {
    CONTRACTION "|" WORD R"(|\p{N}{1,3}|)" SYMBOLS R"([\r\n]*|\s*[\r\n]+)"
                R"(|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S))"
                R"(|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S))"
                R"(|\s{1,2}(?!\S)|\s)"};
constexpr Expressions kQwen2 = {QWEN2};
constexpr Expressions kUfakzeka = {WORD R"(|\p{N}|)" SYMBOLS
                                        R"([\r\n]*|)" SPACE};
constexpr Expressions kSeedCoder = {
    CONTRACTION "|" WORD R"(|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|)" SPACE};
constexpr Expressions kQwen35 = {CONTRACTION
                                 R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N})"
                                 R"(| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)" SPACE};
constexpr Expressions kBailing = {
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N})"
    R"(| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"};
// The published expression for words, (?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+, has
// the same matches as the one here, but with the published one, the matcher
// would take several steps for each letter.
constexpr Expressions kExaoneMoe = {
    CONTRACTION
    R"(|[^\r\n\p{L}\p{N}]?\p{L}[\p{L}\p{M}]*(?: \p{L}[\p{L}\p{M}]*)*)"
    R"(|\p{N}|)" SYMBOLS R"([\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)"};
constexpr Expressions kGpt4o = {GPT4O};
constexpr Expressions kTinyAya = {R"(\d{1,3}(?=(?:\d{3})*\b))", GPT4O};
constexpr Expressions kTekken = {CASED_WORD "|" CAPITALS R"(|\p{N}|)" SYMBOLS
                                            R"([\r\n/]*|)" SPACE};
// The first expression matches Hangul, the punctuation of Chinese text,
// Bopomofo, or Chinese characters and kana.
constexpr Expressions kYoutu = {
    R"([\uAC00-\uD7A3\u3131-\u318E]+|[\uFF01\u2026\u201C\u201D\u2018)"
    R"(\u2019\u2014\uFF1A\uFF1B\uFF0C\u3001-\u303F\uFE30-\uFE4F]+|[)"
    R"(\u3105-\u312F]+|[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+)",
    CASED_WORD CONTRACTION "?|" CAPITALS CONTRACTION R"(?|\p{N}|)" SYMBOLS
                           R"([\r\n/]*|)" SPACE};
constexpr Expressions kDeepSeek3 = {
    R"(\p{N}{1,3})", R"([\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+)",
    DEEPSEEK_WORDS R"([\r\n]*|)" SPACE};
constexpr Expressions kSpark = {
    R"(\p{N}{1,3})", R"([\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+)",
    DEEPSEEK_WORDS R"(|[\r\n]|\s+(?!\S)|\s+)", R"(\p{N})"};
// The second expression lists the letters of alphabets with upper and lower
// case.
constexpr Expressions kDeepSeekLlm = {
    R"([\r\n])",
    R"(\s?[A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-)"
    R"(\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373\u0376\u0377)"
    R"(\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1)"
    R"(\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-)"
    R"(\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF)"
    R"(\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-)"
    R"(\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B)"
    R"(\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-)"
    R"(\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC)"
    R"(\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115)"
    R"(\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134)"
    R"(\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-)"
    R"(\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D)"
    R"(\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-)"
    R"(\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A)"
    R"(\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB})"
    R"(\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF})"
    R"(\x{1E900}-\x{1E943}]+)",
    R"(\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+)",
    R"(\s+$)",
    R"([\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+)",
    R"(\p{N}+)"};
constexpr Expressions kDeepSeekCoder = {
    R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)",
    R"([\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+)", R"(\p{N})"};
constexpr Expressions kBloom = {
    R"( ?[^(\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+)"};
constexpr Expressions kViking = {
    R"( ?[^(\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+)", R"(\p{N})"};
// The first expression matches digits in groups of three, counted from the
// right, and the second one East and Southeast Asian scripts.
constexpr Expressions kAfmoe = {
    R"(\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})))",
    R"([\u4E00-\u9FFF\u3400-\u4DBF\u8C48-\uFAFF\u3040-\u309F\u30A0-)"
    R"(\u30FF\uFF65-\uFF9F\u2F00-\u2FDF\u0E40-\u0E7F\u0E80-\u0EFF)"
    R"(\u1780-\u17FF\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF\uAC00-)"
    R"(\uD7AF\u1100-\u11FF]+)",
    DEEPSEEK_WORDS R"([\r\n]*|)" SPACE};
constexpr Expressions kKimi = {
    R"(\p{Han}+|[^\r\n\p{L}\p{N}]?)"
    R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)" CONTRACTION
    R"(?|[^\r\n\p{L}\p{N}]?)"
    R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*)" CONTRACTION
    R"(?|\p{N}{1,3}|)" SYMBOLS R"([\r\n]*|)" SPACE};
constexpr Expressions kSuperBpe = {R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"};
constexpr Expressions kMiniCpm5 = {R"(\p{N}{1,3})",
                                   CONTRACTION "|" WORD R"(|\p{N}+|)" SYMBOLS
                                               R"([\r\n]*|)" SPACE};
constexpr Expressions kLaguna = {R"([^\n]+|\n+)", QWEN2};
constexpr Expressions kLines = {R"([^\n]+|\n+)"};
// The published expression, \w+|[^\w\s]+, is written for the Rust crate regex.
// There, \w contains the joiners U+200C and U+200D, but not the superscript
// digits and fractions of Latin-1. In formats/text/regex, \w contains the
// digits and fractions, but not the joiners. Therefore, the first set below
// is \w with the joiners and without the digits and fractions, and the second
// set contains all other characters except white space.
constexpr Expressions kWhitespace = {
    R"([\w\u200C\u200D&&[^\u00B2\u00B3\u00B9\u00BC-\u00BE]]+)"
    R"(|[[^\w\s\u200C\u200D]\u00B2\u00B3\u00B9\u00BC-\u00BE]+)"};
constexpr Expressions kChameleon = {
    "<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z",       R"([\t\n]|    |  )",
    R"(\p{N})",          R"([\p{P}!-/:-@\[-`{-~])", GPT2};

// Sorted by name. The columns after the name and the expressions are
// ignoreMerges, composes and addsBos, and the spelling if it is not Bytes.
constexpr PreTokenizerRules kRules[] = {
    {"afmoe", kAfmoe, false, false, false},
    {"bailingmoe", kBailing, false, false, false},
    {"bloom", kBloom, false, false, false},
    {"chameleon", kChameleon, false, false, true},
    {"command-r", kStarcoder, false, true, false},
    {"dbrx", kLlama3, false, false, false},
    {"deepseek-coder", kDeepSeekCoder, false, false, false},
    {"deepseek-llm", kDeepSeekLlm, false, false, false},
    {"deepseek-v3", kDeepSeek3, false, false, false},
    {"default", kDefault, false, false, false},
    {"exaone-moe", kExaoneMoe, false, false, false},
    {"falcon", kFalcon, false, false, false},
    {"gemma4", kLines, false, false, false, TokenSpelling::TextAndLines},
    {"glm4", kLlama3, true, false, false},
    {"gpt-2", kGpt2, false, false, false},
    {"gpt-4o", kGpt4o, false, false, false},
    {"granite-embed-multi-97m", kGpt4o, true, false, false},
    {"jais-2", kJais2, false, false, false},
    {"kimi-k2", kKimi, false, false, false},
    {"laguna", kLaguna, false, false, false},
    {"llama-bpe", kLlama3, true, false, true},
    {"minicpm5", kMiniCpm5, true, false, false},
    {"olmo", kGpt2, false, true, false},
    {"qwen2", kQwen2, false, true, false},
    {"qwen35", kQwen35, false, true, false},
    {"sarvam-moe", kLines, false, false, false, TokenSpelling::Text},
    {"seed-coder", kSeedCoder, false, false, false},
    {"spark2_5", kSpark, false, false, false},
    {"stablelm2", kQwen2, false, false, false},
    {"starcoder", kStarcoder, false, false, false},
    {"superbpe", kSuperBpe, false, false, false},
    {"tekken", kTekken, true, false, true},
    {"tiny_aya", kTinyAya, false, true, false},
    {"ufakzeka", kUfakzeka, false, false, false},
    {"viking", kViking, false, false, false},
    {"whitespace", kWhitespace, false, false, false, TokenSpelling::Words},
    {"youtu", kYoutu, true, false, false},
};

} // namespace

const PreTokenizerRules *preTokenizerRules(std::string_view name) {
  std::string_view canonical = canonicalPreTokenizer(name);
  for (const PreTokenizerRules &rules : kRules) {
    if (rules.name == canonical) {
      return &rules;
    }
  }
  return nullptr;
}

} // namespace air
