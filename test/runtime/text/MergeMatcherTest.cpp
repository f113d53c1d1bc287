//===- MergeMatcherTest.cpp - matching gives what merging gives -*- C++ -*-===//
//
// For random vocabularies, PairMerger and MergeMatcher are compared with
// byte-pair encoding by its definition. For published vocabularies the
// definition takes too long, so the two are compared with each other.
//
//===----------------------------------------------------------------------===//
#include "runtime/text/MergeMatcher.h"
#include "Vocabularies.h"
#include "formats/support/Utf8.h"
#include "runtime/text/PairMerger.h"

#include <algorithm>
#include <filesystem>
#include <random>

using namespace air;
using namespace air::rt;

namespace {

using Merges = std::vector<std::pair<std::string, std::string>>;
using Pieces = std::vector<std::string>;

/// The tables of a vocabulary, for PairMerger and for MergeMatcher.
struct Bpe {
  Vocabulary vocabulary;
  std::optional<BpeTables> tables;
  std::optional<MergeMatcher> matcher;
  std::optional<MergeMatcher::Scratch> scratch;

  explicit Bpe(const TokenizerData &data,
               TokenSpelling spelling = TokenSpelling::Bytes) {
    Result<BpeTables> made = BpeTables::create(data, spelling, vocabulary);
    EXPECT_TRUE(made.isOk()) << made.status().message();
    if (made.isOk()) {
      tables = *std::move(made);
      matcher = MergeMatcher::create(*tables);
      scratch.emplace(*tables);
    }
  }

  std::vector<int32_t> merged(std::string_view word) const {
    std::vector<int32_t> found;
    PairMerger(*tables).merge(word, found);
    return found;
  }
  std::vector<int32_t> matched(std::string_view word) {
    std::vector<int32_t> found = {7}; // match() must replace this value
    EXPECT_TRUE(matcher->match(word, *scratch, found)) << word;
    // The symbols must be the same if there is room for only two of them, so
    // that match() stores only where the others end.
    std::vector<int32_t> spilled;
    const size_t usual = std::exchange(scratch->mostRecent, 2);
    EXPECT_TRUE(matcher->match(word, *scratch, spilled)) << word;
    EXPECT_EQ(spilled, found) << word;
    scratch->mostRecent = usual;
    return found;
  }
  Pieces pieces(const std::vector<int32_t> &symbols) const {
    Pieces found;
    for (const int32_t symbol : symbols) {
      found.emplace_back(
          symbol == TokenTable::kAbsent ? "?" : vocabulary.table[symbol]);
    }
    return found;
  }
};

class MergeMatcherTest : public testing::Test {
protected:
  std::mt19937 random{20261129};

  std::string randomWord(size_t longest, std::string_view letters) {
    std::string word;
    for (size_t n = 1 + random() % longest; n > 0; --n) {
      word += letters[random() % letters.size()];
    }
    return word;
  }

  static std::vector<std::string> linesOf(const Merges &merges) {
    std::vector<std::string> lines;
    for (const auto &[left, right] : merges) {
      lines.push_back(left + " " + right);
    }
    return lines;
  }

  /// Returns `count` merges. Each joins two random symbols: letters, or the
  /// results of earlier merges.
  Merges learned(size_t count) {
    Pieces words = {"a", "b", "c"};
    Merges merges;
    while (merges.size() < count) {
      const std::string left = words[random() % words.size()];
      const std::string right = words[random() % words.size()];
      if (std::ranges::find(words, left + right) == words.end()) {
        merges.emplace_back(left, right);
        words.push_back(left + right);
      }
    }
    return merges;
  }

  void expectTheDefinition(Bpe &bpe, const Merges &merges) {
    for (int i = 0; i < 30; ++i) {
      const std::string word = randomWord(40, "abc");
      const Pieces expected = mergedByDefinition(word, merges);
      ASSERT_EQ(bpe.pieces(bpe.merged(word)), expected) << word;
      ASSERT_EQ(bpe.pieces(bpe.matched(word)), expected) << word;
    }
  }
};

TEST_F(MergeMatcherTest, LearnedMerges) {
  for (int round = 0; round < 300; ++round) {
    const Merges merges = learned(1 + round % 20);
    Bpe bpe(smallBpe(linesOf(merges)));
    ASSERT_TRUE(bpe.matcher);
    expectTheDefinition(bpe, merges);
  }
}

// Some vocabularies list every division of a token into two tokens as a merge,
// even if one of the two has a higher id than the divided token.
TEST_F(MergeMatcherTest, EveryDivisionOfEachToken) {
  for (int round = 0; round < 300; ++round) {
    const Merges first = learned(1 + round % 20);
    Pieces words = {"a", "b", "c"};
    for (const auto &[left, right] : first) {
      words.push_back(left + right);
    }
    const auto isWord = [&](const std::string &word) {
      return std::ranges::find(words, word) != words.end();
    };
    Merges merges;
    for (const std::string &word : words) {
      for (size_t cut = 1; cut < word.size(); ++cut) {
        if (isWord(word.substr(0, cut)) && isWord(word.substr(cut))) {
          merges.emplace_back(word.substr(0, cut), word.substr(cut));
        }
      }
    }
    Bpe bpe(smallBpe(linesOf(merges)));
    ASSERT_TRUE(bpe.matcher);
    expectTheDefinition(bpe, merges);
  }
}

TEST_F(MergeMatcherTest, MergesInAnyOrder) {
  for (int round = 0; round < 500; ++round) {
    Merges merges = learned(2 + round % 10);
    std::ranges::shuffle(merges, random);
    Bpe bpe(smallBpe(linesOf(merges)));
    ASSERT_TRUE(bpe.matcher);
    expectTheDefinition(bpe, merges);
  }
}

// The parts of a merge need be neither letters nor results of other merges. If
// a merge is listed twice, the first one counts.
TEST_F(MergeMatcherTest, MergesOfAnyTexts) {
  for (int round = 0; round < 500; ++round) {
    Merges merges;
    for (size_t count = 1 + random() % 12; count > 0; --count) {
      const size_t longest = 1 + random() % 4;
      merges.emplace_back(randomWord(longest, "abc"),
                          randomWord(longest, "abc"));
      if (random() % 4 == 0) {
        merges.push_back(merges[random() % merges.size()]);
      }
    }
    Bpe bpe(smallBpe(linesOf(merges)));
    ASSERT_TRUE(bpe.matcher);
    expectTheDefinition(bpe, merges);
  }
}

TEST_F(MergeMatcherTest, AMergeWithALowerRankThanItsParts) {
  // In "abc", the merge with rank 1 comes first: it joins a and b to ab. Only
  // then can the merge with rank 0 join ab and c.
  Bpe untimely(smallBpe({"ab c", "a b"}));
  EXPECT_EQ(untimely.pieces(untimely.matched("cabcab")),
            (Pieces{"c", "abc", "ab"}));
  // Here, b and c are merged first, so ab and c are never neighbours.
  Bpe never(smallBpe({"b c", "ab c", "a b"}));
  EXPECT_EQ(never.pieces(never.matched("abcab")), (Pieces{"a", "bc", "ab"}));
}

TEST_F(MergeMatcherTest, AtomsOfTextAndAtomsWithoutSymbols) {
  TokenizerData data = smallSpm({"\xc3\xa9", "a",
                                 "\xc3\xa9"
                                 "a"});
  data.kind = TokenizerKind::Bpe;
  data.merges = {"\xc3\xa9 a"};
  Bpe bpe(data, TokenSpelling::Text);
  ASSERT_TRUE(bpe.matcher);
  const std::string word = "a\xc3\xa9"
                           "a\xe4\xb8\xad\xe4\xb8\xad"
                           "a\xc3\xa9";
  const Pieces expected = {"a",
                           "\xc3\xa9"
                           "a",
                           "?",
                           "?",
                           "a",
                           "\xc3\xa9"};
  EXPECT_EQ(bpe.pieces(bpe.merged(word)), expected);
  EXPECT_EQ(bpe.pieces(bpe.matched(word)), expected);
  // No character is divided, so a merge that needs a part of a character never
  // takes place.
  data.merges = {"a \xc3", "a\xc3 \xa9"};
  Bpe parts(data, TokenSpelling::Text);
  ASSERT_TRUE(parts.matcher);
  EXPECT_EQ(parts.pieces(parts.matched("a\xc3\xa9")),
            (Pieces{"a", "\xc3\xa9"}));
  EXPECT_EQ(parts.pieces(parts.merged("a\xc3\xa9")), (Pieces{"a", "\xc3\xa9"}));
}

TEST_F(MergeMatcherTest, SymbolsThatAreTooLong) {
  std::vector<std::string> merges;
  for (std::string half = "a"; half.size() < 2048; half += half) {
    merges.push_back(half + " " + half);
  }
  EXPECT_FALSE(Bpe(smallBpe(merges)).matcher);
  merges.pop_back();
  EXPECT_TRUE(Bpe(smallBpe(merges)).matcher);
}

TEST_F(MergeMatcherTest, LongWordsTakeNoQuadraticTime) {
  // If merging took quadratic time, a word would take minutes.
  Bpe bpe(smallBpe({"a a", "aa aa", "aaaa aaaa", "b a", "ba ba"}));
  ASSERT_TRUE(bpe.matcher);
  for (const std::string &end : {"", "b"}) {
    const std::string word = std::string(1 << 18, 'a') + end;
    EXPECT_EQ(bpe.matched(word), bpe.merged(word));
  }
}

/// The GGUF files in a folder that have a BPE vocabulary.
std::vector<std::string> bpeFilesOf(const std::string &folder) {
  std::vector<std::string> found;
  for (const auto &each : std::filesystem::directory_iterator(folder)) {
    if (each.path().extension() == ".gguf") {
      found.push_back(each.path().string());
    }
  }
  std::ranges::sort(found);
  std::erase_if(found, [](const std::string &path) {
    Result<ModelSource> source = readGguf(path);
    Result<TokenizerData> data = source.isOk()
                                     ? readGgufTokenizer(*source)
                                     : Result<TokenizerData>(source.status());
    return !data.isOk() || data->kind != TokenizerKind::Bpe;
  });
  return found;
}

/// Compares PairMerger and MergeMatcher on words that are made of random tokens
/// of the file, and on runs of one token.
void expectSame(const std::string &path, std::mt19937 &random) {
  const TokenizerData data = vocabularyOf(path);
  const PreTokenizerRules *rules = preTokenizerRules(data.pre);
  const TokenSpelling spelling =
      rules != nullptr ? rules->spelling : TokenSpelling::Bytes;
  Bpe bpe(data, spelling);
  ASSERT_TRUE(bpe.matcher) << path;
  const bool isText = spelling != TokenSpelling::Bytes;
  for (int round = 0; round < 1000; ++round) {
    std::string word;
    const size_t count = 1 + random() % (round % 100 == 0 ? 1000 : 12);
    for (size_t i = 0; i < count; ++i) {
      std::string_view token =
          bpe.vocabulary
              .table[static_cast<int32_t>(random() % data.tokens.size())];
      // Halves of tokens give words that do not consist of whole tokens.
      if (!isText && random() % 2 == 0) {
        token = token.substr(0, 1 + token.size() / 2);
      }
      for (size_t n = random() % 8 == 0 ? random() % 9 : 1; n > 0; --n) {
        word += token;
      }
    }
    if (isText) {
      std::string valid;
      for (size_t i = 0; i < word.size();) {
        const Utf8Step step = decodeUtf8(std::string_view(word).substr(i));
        valid += step.kind == Utf8Step::Whole ? word.substr(i, step.length)
                                              : std::string();
        i += step.length;
      }
      word = valid;
    }
    ASSERT_EQ(bpe.matched(word), bpe.merged(word)) << path << "\n" << word;
  }
}

TEST_F(MergeMatcherTest, SmallVocabularies) {
  for (const char *name : {"llama3", "qwen2"}) {
    expectSame(inputs(std::string("models/tiny/") + name + ".gguf"), random);
  }
}

TEST_F(MergeMatcherTest, PublishedVocabularies) {
  const char *folder = std::getenv("AIR_VOCABULARIES");
  if (folder == nullptr || *folder == '\0') {
    GTEST_SKIP() << kNoVocabularies;
  }
  const std::vector<std::string> files = bpeFilesOf(folder);
  EXPECT_GT(files.size(), 10U);
  for (const std::string &path : files) {
    expectSame(path, random);
  }
}

TEST_F(MergeMatcherTest, ThirdPartyVocabularies) {
  const std::string folder = thirdParty("vocab");
  if (folder.empty()) {
    GTEST_SKIP() << kNoVectors;
  }
  for (const std::string &path : bpeFilesOf(folder)) {
    expectSame(path, random);
  }
}

} // namespace
