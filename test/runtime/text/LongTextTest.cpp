//===- LongTextTest.cpp - what long texts are encoded to ------------------===//
//
// To save memory, long texts and long words are encoded by other algorithms
// than short ones. The ids must not depend on the algorithm.
//
//===----------------------------------------------------------------------===//
#include "Vocabularies.h"
#include "formats/support/Utf8.h"
#include "runtime/text/BpeEncoder.h"
#include "runtime/text/MergeLattice.h"
#include "runtime/text/SpmEncoder.h"
#include "runtime/text/UnigramLattice.h"
#include "runtime/text/pipeline/WordModel.h"

#include <gmock/gmock.h>
#include <random>

using namespace air;
using namespace air::rt;
using testing::ElementsAre;

namespace {

/// The ids of `text` as the sink receives them.
std::vector<int32_t> passedOn(const Tokenizer &tokenizer,
                              std::string_view text) {
  std::vector<int32_t> all;
  size_t most = 0;
  const Status status =
      tokenizer.tryEncode(text, false, true, [&](std::span<const int32_t> ids) {
        all.insert(all.end(), ids.begin(), ids.end());
        most = std::max(most, ids.size());
      });
  EXPECT_TRUE(status.isOk()) << status.message();
  EXPECT_LE(most, 8192U); // few of the ids are in memory at once
  return all;
}

/// Appends `more` to `all`.
void append(std::vector<int32_t> &all, const std::vector<int32_t> &more) {
  all.insert(all.end(), more.begin(), more.end());
}

/// Returns words from several scripts. Normalisation must reorder marks in some
/// of them, and remove characters from others.
std::string randomWords(std::mt19937 &random, size_t bytes) {
  static const std::vector<std::string> words = {
      "the",    "Once",          "upon",           "a",
      "time,",  "caf\u00e9",     "e\u0323\u0302x", "e\u0302\u0323x",
      "\u6f22", "\u5b57\u6f22",  "\ud55c\uae00",   "0x00\u0001\u0302z",
      "--",     "\u00ad\u0323y", "\U0001f469",     "\u0f73\u0f71"};
  std::string text = "x";
  while (text.size() < bytes) {
    text += random() % 3 == 0 ? "" : " ";
    text += words[random() % words.size()];
  }
  return text;
}

class LongTextTest : public testing::TestWithParam<const char *> {};

TEST_P(LongTextTest, WordsAreEncodedOneByOne) {
  std::mt19937 random(11);
  const Tokenizer tokenizer = tokenizerOf(
      vocabularyOf(inputs(std::string("tokenizers/") + GetParam())));
  // A part is short enough to be encoded as a whole, but the text is not. Each
  // part ends with "x", which neither a normalisation rule nor a piece joins
  // with the space after it. So the ids of the text must be those of the parts,
  // one after another.
  std::string text;
  std::vector<int32_t> expected;
  for (int i = 0; i < 40; ++i) {
    const std::string part = randomWords(random, 6000) + "x";
    text += (i == 0 ? "" : " ") + part;
    append(expected, tokenizer.encode(part, false, true));
  }
  EXPECT_EQ(tokenizer.encode(text, false, true), expected);
  EXPECT_EQ(passedOn(tokenizer, text), expected);
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, LongTextTest,
                         testing::Values("unigram.gguf", "unigram-bytes.gguf",
                                         "wordpiece.gguf",
                                         "wordpiece-cased.gguf"));

/// WordPiece without a single space: ideographs, and marks that belong to the
/// character before them.
TEST(LongWordsTest, WordPieceWithoutSpaces) {
  const Tokenizer tokenizer =
      tokenizerOf(vocabularyOf(inputs("tokenizers/wordpiece.gguf")));
  // The division into words does not depend on what is around an ideograph.
  const std::string part = "\u6f22e\u0302\u0323x\u0001\u0323yz\u6f22";
  const std::vector<int32_t> ids = tokenizer.encode(part, false, true);
  std::string text;
  std::vector<int32_t> expected;
  for (int i = 0; i < 20000; ++i) {
    text += part;
    append(expected, ids);
  }
  EXPECT_EQ(tokenizer.encode(text, false, true), expected);
  // A word of more than 100 characters becomes one unknown token.
  EXPECT_EQ(tokenizer.encode(std::string(200'000, 'a'), false, true),
            tokenizer.encode(std::string(101, 'a'), false, true));
}

/// SPM's merges by their definition: the pair whose text is the piece with the
/// best score is merged first, and of several equal pairs the leftmost.
std::vector<std::string> mergedByScores(std::vector<std::string> symbols,
                                        const std::vector<std::string> &best) {
  while (true) {
    size_t rank = best.size();
    size_t where = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = std::ranges::find(best, symbols[i] + symbols[i + 1]);
      const auto its = static_cast<size_t>(found - best.begin());
      if (its < rank) {
        rank = its;
        where = i;
      }
    }
    if (rank == best.size()) {
      return symbols;
    }
    symbols[where] += symbols[where + 1];
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(where) + 1);
  }
}

std::vector<std::string> charactersOf(std::string_view text) {
  std::vector<std::string> characters;
  for (size_t at = 0; at < text.size();) {
    const size_t length = decodeUtf8(text.substr(at)).length;
    characters.emplace_back(text.substr(at, length));
    at += length;
  }
  return characters;
}

TEST(MergeLatticeTest, AgreesWithTheDefinition) {
  std::mt19937 random(5);
  const std::vector<std::string> letters = {"a",    "b",    "c",   "\u00e9",
                                            "\xc3", "\xa9", "\xe6"};
  const auto word = [&](size_t longest, size_t kinds) {
    std::string text;
    for (size_t n = 1 + random() % longest; n > 0; --n) {
      text += letters[random() % kinds];
    }
    return text;
  };
  for (int round = 0; round < 400; ++round) {
    const size_t kinds = 1 + random() % letters.size();
    std::vector<std::string> best;
    for (size_t n = random() % 16; n > 0; --n) {
      best.push_back(word(6, kinds));
    }
    const auto merged = [&](std::string_view text) {
      return mergedByScores(charactersOf(text), best);
    };
    std::vector<ByteTrie::Piece> whole;
    for (size_t i = 0; i < best.size(); ++i) {
      if (merged(best[i]).size() == 1) {
        whole.push_back({best[i], static_cast<int32_t>(i)});
      }
    }
    const MergeLattice lattice(std::move(whole));
    MergeLattice::Scratch scratch;
    for (int i = 0; i < 20; ++i) {
      const std::string text = word(40, kinds);
      std::vector<std::string> found;
      const size_t divided = lattice.divide(
          text, scratch,
          [&](std::string_view pair, size_t border) {
            const std::vector<std::string> symbols = merged(pair);
            return symbols.size() == 2 && symbols[0].size() == border;
          },
          [&](std::string_view piece, int32_t id) {
            found.emplace_back(piece);
            EXPECT_TRUE(id == MergeLattice::kNoPiece ||
                        best[static_cast<size_t>(id)] == piece);
          });
      EXPECT_EQ(divided, text.size());
      EXPECT_EQ(found, merged(text)) << text;
    }
  }
}

/// The piece "\xc3" matches the first byte of each "\u00e9" in the run. Symbols
/// never end inside a character, so this piece must not become a symbol.
TEST(MergeLatticeTest, PiecesThatEndInsideCharacters) {
  const MergeLattice lattice({{"\xc3", 0}, {"a", 1}});
  MergeLattice::Scratch scratch;
  std::string run;
  for (int i = 0; i < 100'000; ++i) {
    run += "\u00e9a";
  }
  std::vector<int32_t> ids;
  const size_t divided = lattice.divide(
      run, scratch, [](std::string_view, size_t) { return true; },
      [&](std::string_view, int32_t id) { ids.push_back(id); });
  EXPECT_EQ(divided, run.size());
  std::vector<int32_t> expected;
  for (int i = 0; i < 100'000; ++i) {
    append(expected, {MergeLattice::kNoPiece, 1});
  }
  EXPECT_EQ(ids, expected);
}

/// After the last "z", 128 pieces begin at each letter. They form about as many
/// different pairs of neighbours as the lattice's table of pairs has entries.
/// Many pairs overwrite one another there, and the lattice asks about them
/// again each time that the letters repeat, until it gives up.
TEST(MergeLatticeTest, AsksLittle) {
  std::mt19937 random(6);
  std::string letters;
  for (int i = 0; i < 512 + 128; ++i) {
    letters += i < 512 ? static_cast<char>('a' + random() % 25)
                       : letters[static_cast<size_t>(i) - 512];
  }
  std::vector<ByteTrie::Piece> pieces = {{"z", 0}};
  for (size_t at = 0; at < 512; ++at) {
    for (size_t length = 1; length <= 128; ++length) {
      pieces.push_back({std::string_view(letters).substr(at, length),
                        static_cast<int32_t>(pieces.size())});
    }
  }
  const MergeLattice lattice(std::move(pieces));
  MergeLattice::Scratch scratch;
  std::string run(300'000, 'z');
  for (int i = 0; i < 100; ++i) {
    run += letters.substr(0, 512);
  }
  size_t asked = 0;
  std::string passed;
  const size_t divided = lattice.divide(
      run, scratch,
      [&](std::string_view text, size_t border) {
        asked += text.size();
        // In this test, two neighbouring symbols stay unmerged only if the
        // second is a single letter.
        return border + 1 == text.size();
      },
      [&](std::string_view piece, int32_t) { passed += piece; });
  EXPECT_LT(asked, MergeLattice::kMostMerged * run.size() + 128 * 129);
  EXPECT_EQ(passed, run.substr(0, divided));
  EXPECT_GT(divided, 200'000U);
  EXPECT_LT(divided, 300'000U);
}

/// So many different pieces can be neighbours in the text that the lattice
/// gives up. The rest of the text is then merged with a heap. A single line is
/// short enough to be merged with a heap only, and gives the expected ids.
TEST(LongWordsTest, SpmWithManyPairs) {
  std::vector<std::string> pieces = {"b"};
  for (size_t length = 1; length <= 250; ++length) {
    pieces.emplace_back(length, 'a');
  }
  TokenizerData data = smallSpm(pieces);
  data.addSpacePrefix = false;
  const Tokenizer tokenizer = tokenizerOf(std::move(data));
  std::string line;
  for (size_t length = 1; line.size() < 60'000; length = length * 7 % 997) {
    line += std::string(length, 'a') + 'b';
  }
  line += '\n';
  std::vector<int32_t> expected;
  std::string text;
  for (int i = 0; i < 2; ++i) {
    text += line;
    append(expected, tokenizer.encode(line, false, true));
  }
  EXPECT_EQ(tokenizer.encode(text, false, true), expected);
}

/// A BPE vocabulary of a pipeline, with random merges. Some of its characters
/// have no token, or only tokens of their bytes.
TokenizerData randomMerges(std::mt19937 &random) {
  TokenizerData data;
  data.kind = TokenizerKind::Bpe;
  data.rules.pipeline.isSet = true;
  std::vector<std::string> parts;
  for (const char *character : {"a", "b", "c", "\u00e9"}) {
    if (random() % 4 != 0) {
      parts.emplace_back(character);
      appendToken(data, character, TokenType::Normal);
    }
  }
  if (random() % 2 == 0) {
    appendToken(data, "<0xC3>", TokenType::Byte);
    if (random() % 2 == 0) {
      appendToken(data, "<0xA9>", TokenType::Byte);
    }
  }
  for (size_t n = parts.empty() ? 0 : random() % 12; n > 0; --n) {
    const std::string left = parts[random() % parts.size()];
    const std::string right = parts[random() % parts.size()];
    const std::string merge = left + kMergeBorder + right;
    if (std::ranges::count(data.merges, merge) != 0) {
      continue;
    }
    data.merges.push_back(merge);
    if (std::ranges::count(parts, left + right) == 0) {
      parts.push_back(left + right);
      appendToken(data, left + right, TokenType::Normal);
    }
  }
  // An early merge may need a token that only later merges make.
  std::ranges::shuffle(data.merges, random);
  if (random() % 2 == 0) {
    data.unknown = appendToken(data, "<unk>", TokenType::Unknown);
    data.matching.resize(data.tokens.size());
    if (random() % 2 == 0) {
      data.matching.back() = match_flags::kFused;
    }
  }
  return data;
}

/// Two models encode each word: the first uses the algorithm for long words,
/// and the second the algorithm for short words.
TEST(LongWordsTest, PipelineBpeAsWithAHeap) {
  std::mt19937 random(8);
  const std::vector<std::string> letters = {"a", "b", "c", "\u00e9", "x"};
  for (int round = 0; round < 2000; ++round) {
    const TokenizerData data = randomMerges(random);
    std::unique_ptr<WordModel> models[2];
    for (size_t longWord : {size_t{0}, SIZE_MAX}) {
      auto made = makeWordBpe(data, longWord);
      ASSERT_TRUE(made.isOk()) << made.status().message();
      models[longWord == 0 ? 0 : 1] = *std::move(made);
    }
    WordModel::Scratch scratch[2];
    for (int i = 0; i < 10; ++i) {
      std::string word;
      for (size_t n = 1 + random() % 40; n > 0; --n) {
        word += letters[random() % letters.size()];
      }
      std::vector<int32_t> ids[2];
      for (size_t k = 0; k < 2; ++k) {
        TokenOutput out;
        models[k]->encode(word, scratch[k], out);
        ids[k] = out.ids;
      }
      EXPECT_EQ(ids[0], ids[1]) << word;
    }
  }
}

/// A run of 150 KB that is encoded twice: first by a MergeLattice, and then by
/// a MergeMatcher, which is used once the tokenizer has been given 256 KiB to
/// merge in all (SpmEncoder.h). No piece contains a line feed, so the ids must
/// be those of the lines one after another. A line is short enough to be merged
/// with a heap.
TEST(LongWordsTest, SpmWithoutSpaces) {
  std::mt19937 random(3);
  std::vector<std::string> pieces = {"a",  "b",  "c",    "ab",  "bc",   "abc",
                                     "ca", "aa", "aaaa", "cab", "bcabc"};
  TokenizerData data = smallSpm(pieces);
  data.addSpacePrefix = false;
  const Tokenizer ofLines = tokenizerOf(data);
  std::string text;
  std::vector<int32_t> expected;
  for (int i = 0; i < 5; ++i) {
    std::string line;
    while (line.size() < 30'000) {
      line += i == 0 ? 'a' : "abcd"[random() % 4];
    }
    line += '\n';
    text += line;
    append(expected, ofLines.encode(line, false, true));
  }
  const Tokenizer tokenizer = tokenizerOf(std::move(data));
  EXPECT_EQ(tokenizer.encode(text, false, true), expected);
  EXPECT_EQ(passedOn(tokenizer, text), expected);
}

/// A word of byte-level BPE with so many symbols that MergeMatcher stores only
/// the ends of most of them. No merge contains a line feed, so the ids must be
/// those of the lines one after another.
TEST(LongWordsTest, BpeWithoutSpaces) {
  std::mt19937 random(4);
  const Tokenizer tokenizer =
      tokenizerOf(smallBpe({"a b", "c a", "ab c", "a a", "aa aa"}, "superbpe"));
  std::string text;
  std::vector<int32_t> expected;
  for (int i = 0; i < 12; ++i) {
    std::string line = "\n";
    while (line.size() < 30'000) {
      line += "abcd"[random() % 4];
    }
    text += line;
    append(expected, tokenizer.encode(line, false, true));
  }
  EXPECT_EQ(tokenizer.encode(text, false, true), expected);
  EXPECT_EQ(passedOn(tokenizer, text), expected);
}

/// "xy" has a higher score (-0.0055) than "x" and "y" together (-0.006), so
/// double precision prefers it. In single precision, numbers near -99,999 are
/// 1/128 apart. After "b" with the score -99,999, adding the score of "x" and
/// then that of "y" leaves the sum as it is, because both sums are rounded to
/// -99999. Adding the score of "xy" gives -99999.0055, which is rounded to
/// -99999 - 1/128, so "x" and "y" are preferred. If the score of "b" is below
/// -100,000, sums start again from 0 after "b", so "xy" is preferred again.
TEST(UnigramLatticeTest, SumsAreRoundedAsInTheOriginal) {
  const auto idsOf = [&](float first, UnigramLattice::Sums sums) {
    const std::vector<float> scores = {first, -0.003F, -0.003F, -0.0055F};
    const UnigramLattice lattice({{"b", 0}, {"x", 1}, {"y", 2}, {"xy", 3}},
                                 scores, first, sums);
    UnigramLattice::Scratch scratch;
    std::vector<int32_t> ids;
    double sum = 0;
    lattice.divide("bxy", scratch, sum,
                   [&](std::string_view, int32_t id) { ids.push_back(id); });
    return ids;
  };
  EXPECT_THAT(idsOf(-99999, UnigramLattice::Sums::Single),
              ElementsAre(0, 1, 2));
  EXPECT_THAT(idsOf(-99999, UnigramLattice::Sums::Double), ElementsAre(0, 3));
  EXPECT_THAT(idsOf(-100001, UnigramLattice::Sums::Single), ElementsAre(0, 3));
}

/// Pieces whose lengths take one, two and four bytes.
TEST(UnigramLatticeTest, LongPieces) {
  for (const size_t length : {10, 300, 70'000}) {
    const std::string piece = "k" + std::string(length, 'l');
    const UnigramLattice lattice({{"m", 0}, {"l", 1}, {piece, 2}}, {-1, -1, -2},
                                 -2, UnigramLattice::Sums::Double);
    UnigramLattice::Scratch scratch;
    std::vector<int32_t> ids;
    double sum = 0;
    lattice.divide("m" + piece + "l?", scratch, sum,
                   [&](std::string_view, int32_t id) { ids.push_back(id); });
    EXPECT_THAT(ids, ElementsAre(0, 2, 1, UnigramLattice::kNoPiece));
    EXPECT_EQ(sum, -1 - 2 - 1 - 12);
  }
}

/// Two runs that are long enough for pieces to be passed on before the end. In
/// the first run, the first pieces are certain early. In the second, "aa...a",
/// no piece is certain before the end: an even number of letters is divided
/// into pieces "aa", and an odd number begins with a single "a", so the number
/// decides where each piece begins.
TEST(UnigramLatticeTest, PiecesArePassedOn) {
  const UnigramLattice lattice({{"ab", 0}, {"a", 1}, {"b", 2}, {"aa", 3}},
                               {-1, -2, -2, -1}, -2,
                               UnigramLattice::Sums::Double);
  UnigramLattice::Scratch scratch;
  const auto idsOf = [&](std::string_view run) {
    std::vector<int32_t> ids;
    double sum = 0;
    lattice.divide(run, scratch, sum,
                   [&](std::string_view, int32_t id) { ids.push_back(id); });
    return ids;
  };
  std::string mixed;
  std::vector<int32_t> expected;
  for (int i = 0; i < 400'000; ++i) {
    mixed += i % 3 == 0 ? "b" : "ab";
    expected.push_back(i % 3 == 0 ? 2 : 0);
  }
  EXPECT_EQ(idsOf(mixed), expected);
  expected.assign(400'001, 3);
  expected.front() = 1;
  EXPECT_EQ(idsOf(std::string(800'001, 'a')), expected);
}

// Words of 2^31 bytes would take too long here, so the encoders have a limit of
// 10 bytes for a word. It applies to normalised words: NFD turns a Hangul
// syllable of 3 bytes into two letters of 3 bytes each.
TEST(LongWordTest, AWordThatIsTooLongIsNotEncoded) {
  constexpr size_t kMost = 10;
  const auto encodes = [](const Encoder &encoder, std::string_view text) {
    TokenOutput out;
    const auto scratch = encoder.makeScratch(text.size());
    return encoder.encode(text, Place::AfterToken, scratch.get(), out);
  };
  const std::string syllables = "\uac00\uac00";

  TokenizerData bpe = smallBpe({});
  Vocabulary words;
  Result<BpeEncoder> plain = BpeEncoder::create(bpe, words, kMost);
  ASSERT_TRUE(plain.isOk()) << plain.status().message();
  EXPECT_TRUE(encodes(*plain, "abcdefghij " + syllables));
  EXPECT_FALSE(encodes(*plain, "abcdefghijk "));
  bpe.rules.form = NormalForm::D;
  Vocabulary formedWords;
  Result<BpeEncoder> formed = BpeEncoder::create(bpe, formedWords, kMost);
  ASSERT_TRUE(formed.isOk()) << formed.status().message();
  EXPECT_TRUE(encodes(*formed, "abcdefghij "));
  EXPECT_FALSE(encodes(*formed, syllables));

  Vocabulary pieces;
  const SpmEncoder spm = SpmEncoder::create(smallSpm({}), pieces, kMost);
  // The vocabulary puts a space before the text.
  EXPECT_TRUE(encodes(spm, "abcdefghi abcdefghi"));
  EXPECT_FALSE(encodes(spm, "abcdefghi abcdefghij"));
}

} // namespace
