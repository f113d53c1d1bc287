//===- TokenizerJsonText.cpp - how tokenizer.json prepares text -----------===//
#include "formats/tokenizer/TokenizerJsonText.h"

#include "formats/support/Printable.h"
#include "formats/text/regex/Regex.h"
#include "formats/text/regex/RegexCoverage.h"

namespace air {
namespace {

using Json = JsonFields::Json;

/// The component WhitespaceSplit removes white space. This expression matches
/// the words that remain.
constexpr std::string_view kNoSpaces = R"(\S+)";
/// Splits text before each space. This is the expression for splitting before
/// each U+2581: the encoder replaces U+2581 with a space before it splits text.
constexpr std::string_view kBeforeSpaces = " [^ ]*|[^ ]+";

/// Returns an expression that splits text into its matches and the text between
/// them, as Hugging Face's `tokenizers` library does with `regex` and
/// `behavior`. Returns nothing if `behavior` is "Removed" or unknown.
std::optional<std::string> withBehavior(const std::string &regex,
                                        const std::string &behavior,
                                        bool inverts) {
  const std::string match = "(?:" + regex + ")";
  // Matches all text up to the next match of `regex`, but never the empty text.
  const std::string gap = "(?:(?!" + regex + ")[\\s\\S])+";
  if (behavior == "Isolated") {
    return regex;
  }
  if (behavior == "Contiguous") {
    return match + "+";
  }
  // MergedWithPrevious joins a match with the text before it, MergedWithNext
  // with the text after it. If `inverts` is true, matches and the text between
  // them swap roles.
  const bool joinsBefore = behavior == "MergedWithPrevious";
  if (joinsBefore || behavior == "MergedWithNext") {
    return joinsBefore != inverts ? "(?:" + gap + ")?" + match
                                  : match + "(?:" + gap + ")?";
  }
  return std::nullopt;
}

class TextRulesReader {
public:
  explicit TextRulesReader(TokenizerData &tokenizer) : data(tokenizer) {}

  Status run(const JsonFields &root) {
    AIR_ASSIGN_OR_RETURN(std::optional<JsonFields> normalizer,
                         root.fields("normalizer"));
    if (normalizer) {
      AIR_RETURN_IF_ERROR(readNormalizer(*normalizer, 0));
    }
    AIR_ASSIGN_OR_RETURN(std::optional<JsonFields> splitter,
                         root.fields("pre_tokenizer"));
    if (splitter) {
      AIR_RETURN_IF_ERROR(readSplitter(*splitter, 0));
    }
    return finish();
  }
  /// Whether the normalizer puts U+2581 before a text or in place of spaces.
  bool changesSpaces() const {
    return replacesSpaces || data.rules.prefix == SpacePrefix::Always;
  }

private:
  bool isKind(TokenizerKind kind) const { return data.kind == kind; }

  Status refuse(const JsonFields &fields, const std::string &type) const {
    constexpr const char *kNames[] = {"",        "",          "BPE",
                                      "Unigram", "WordPiece", ""};
    return fields.unsupported("has the type " + inQuotes(type) +
                              ", which is not supported for models of the "
                              "type " +
                              kNames[static_cast<size_t>(data.kind)]);
  }

  Status readForm(const JsonFields &fields, const std::string &type) {
    if (data.rules.form || data.lowercase || replacesSpaces) {
      return fields.unsupported("has the type " + inQuotes(type) +
                                ", which is supported only as the first "
                                "normalizer");
    }
    data.rules.form = type == "NFC"    ? NormalForm::C
                      : type == "NFD"  ? NormalForm::D
                      : type == "NFKC" ? NormalForm::KC
                                       : NormalForm::KD;
    return Status::ok();
  }

  /// Reads a component of type Replace. For BPE, only the replacement of each
  /// space with U+2581 is supported; for Unigram, only that of two or more
  /// spaces with one space or one U+2581.
  Status readReplace(const JsonFields &fields) {
    AIR_ASSIGN_OR_RETURN(std::string content, fields.text("content"));
    AIR_ASSIGN_OR_RETURN(const JsonPattern pattern, readPattern(fields));
    if (isKind(TokenizerKind::Bpe) && pattern.isLiteral &&
        pattern.text == " " && content == kSpaceMark) {
      replacesSpaces = true;
      return Status::ok();
    }
    if (isKind(TokenizerKind::Unigram) && !pattern.isLiteral &&
        pattern.text == " {2,}" && (content == kSpaceMark || content == " ")) {
      data.removeExtraWhitespaces = true;
      return Status::ok();
    }
    return fields.unsupported("replaces " + inQuotes(pattern.text) + " with " +
                              inQuotes(content) + ", which is not supported");
  }

  /// Fails with Unsupported if a component has already put U+2581 or a space
  /// before a text. Without a pipeline, `data.rules` can describe only one
  /// prefix.
  Status refuseSecondPrefix(const JsonFields &fields) const {
    return data.rules.prefix == SpacePrefix::None
               ? Status::ok()
               : fields.unsupported("may put a second prefix before a text, "
                                    "which is not supported");
  }

  Status readPrepend(const JsonFields &fields) {
    AIR_ASSIGN_OR_RETURN(std::string text, fields.text("prepend"));
    if (text != kSpaceMark || replacesSpaces) {
      return fields.unsupported("prepends " + inQuotes(text) +
                                ", which is not supported; only U+2581 can be "
                                "prepended, and only by a normalizer that "
                                "precedes the replacement of spaces");
    }
    AIR_RETURN_IF_ERROR(refuseSecondPrefix(fields));
    data.rules.prefix = SpacePrefix::Always;
    return Status::ok();
  }

  Status readStrip(const JsonFields &fields) {
    AIR_ASSIGN_OR_RETURN(bool left, fields.flag("strip_left", false));
    AIR_ASSIGN_OR_RETURN(bool right, fields.flag("strip_right", false));
    if (left || !right) {
      return fields.unsupported("must strip spaces from the end of a text, "
                                "and only from there; nothing else is "
                                "supported");
    }
    stripsEnd = true;
    return Status::ok();
  }

  Status readBert(const JsonFields &fields) {
    for (const char *name : {"clean_text", "handle_chinese_chars"}) {
      AIR_ASSIGN_OR_RETURN(bool isOn, fields.flag(name, true));
      if (!isOn) {
        return fields.unsupported(std::string("has ") + name +
                                  " set to false, which is not supported");
      }
    }
    AIR_ASSIGN_OR_RETURN(data.lowercase, fields.flag("lowercase", true));
    AIR_ASSIGN_OR_RETURN(data.stripAccents,
                         fields.flag("strip_accents", data.lowercase));
    hasBert = true;
    return Status::ok();
  }

  Status readNormalizer(const JsonFields &fields, int depth) {
    AIR_ASSIGN_OR_RETURN(std::string type, fields.text("type"));
    bool isBpe = isKind(TokenizerKind::Bpe);
    bool isUnigram = isKind(TokenizerKind::Unigram);
    if (type == "Sequence") {
      return forEachEntry(fields, "normalizers", depth,
                          [&](const JsonFields &each) {
                            return readNormalizer(each, depth + 1);
                          });
    }
    if (isBpe &&
        (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD")) {
      return readForm(fields, type);
    }
    if (isBpe && type == "Lowercase") {
      if (data.rules.form) {
        return fields.unsupported("has the type 'Lowercase', which is not "
                                  "supported together with a normalization "
                                  "form");
      }
      data.lowercase = true;
      return Status::ok();
    }
    if ((isBpe || isUnigram) && type == "Replace") {
      return readReplace(fields);
    }
    if (isBpe && type == "Prepend") {
      return readPrepend(fields);
    }
    if (isUnigram && type == "Strip") {
      return readStrip(fields);
    }
    if (isUnigram && type == "Precompiled") {
      return readCharsmap(fields, data);
    }
    if (isKind(TokenizerKind::WordPiece) && type == "BertNormalizer") {
      return readBert(fields);
    }
    return refuse(fields, type);
  }

  Status readByteLevel(const JsonFields &fields) {
    AIR_ASSIGN_OR_RETURN(bool prefix, fields.flag("add_prefix_space", true));
    AIR_ASSIGN_OR_RETURN(bool splits, fields.flag("use_regex", true));
    if (prefix && !data.rules.expressions.empty()) {
      return fields.unsupported("has add_prefix_space, which is only supported "
                                "in the first pre-tokenizer");
    }
    AIR_RETURN_IF_ERROR(refuseSecondPrefix(fields));
    data.rules.prefix = prefix ? SpacePrefix::Missing : SpacePrefix::None;
    if (splits) {
      data.rules.expressions.emplace_back(kByteLevelExpression);
    }
    isByteLevel = true;
    return Status::ok();
  }

  Status readSplit(const JsonFields &fields) {
    AIR_ASSIGN_OR_RETURN(std::string behavior, fields.text("behavior"));
    AIR_ASSIGN_OR_RETURN(bool inverts, fields.flag("invert", false));
    AIR_ASSIGN_OR_RETURN(const JsonPattern pattern, readPattern(fields));
    if (replacesSpaces && pattern.isLiteral && pattern.text == " " &&
        !inverts) {
      // The normalizer has replaced all spaces, so the text has none at which
      // it could be split. Gemma's tokenizer.json is an example.
      return Status::ok();
    }
    return addSplit(fields,
                    pattern.isLiteral ? literalExpression(pattern.text)
                                      : pattern.text,
                    behavior, inverts);
  }

  Status addSplit(const JsonFields &fields, const std::string &regex,
                  const std::string &behavior, bool inverts) {
    Result<Regex> compiled = Regex::compile(regex);
    if (compiled) {
      const Result<Regex> lines = Regex::compile(regex, RegexAnchors::Lines);
      if (!lines) {
        return lines.status().withContext("tokenizer: '" +
                                          fields.placeOf("pattern") + "'");
      }
      if (lines->code() != compiled->code()) {
        return fields.unsupported("has a pattern with ^ or $");
      }
    }
    std::optional<std::string> expression =
        withBehavior(regex, behavior, inverts);
    if (compiled && expression) {
      compiled = Regex::compile(*expression);
    }
    if (!compiled) {
      return compiled.status().withContext("tokenizer: '" +
                                           fields.placeOf("pattern") + "'");
    }
    if (behavior == "Removed" && inverts && matchesAllText(*compiled)) {
      // The matches cover all text, so there is no text between them that would
      // be removed.
      expression = regex;
    }
    if (!expression) {
      return fields.unsupported(
          "has the behavior " + inQuotes(behavior) +
          (behavior == "Removed"
               ? ", which is supported only with 'invert' and a pattern whose "
                 "matches cover the whole text"
               : ", which is not supported"));
    }
    data.rules.expressions.push_back(*std::move(expression));
    return Status::ok();
  }

  Status readPunctuation(const JsonFields &fields) {
    AIR_ASSIGN_OR_RETURN(std::string behavior,
                         fields.text("behavior", "Isolated"));
    return addSplit(fields, std::string(kPunctuationExpression), behavior,
                    false);
  }

  Status readMetaspace(const JsonFields &fields) {
    AIR_ASSIGN_OR_RETURN(std::string mark,
                         fields.text("replacement", std::string(kSpaceMark)));
    AIR_ASSIGN_OR_RETURN(const std::string scheme, prependScheme(fields));
    AIR_ASSIGN_OR_RETURN(bool splits, fields.flag("split", true));
    if (mark != kSpaceMark) {
      return fields.unsupported("replaces spaces with " + inQuotes(mark) +
                                "; only U+2581 is supported");
    }
    if (hasMetaspace || replacesSpaces) {
      return fields.unsupported("replaces spaces for a second time, which is "
                                "not supported");
    }
    AIR_RETURN_IF_ERROR(refuseSecondPrefix(fields));
    if (scheme == "always") {
      data.rules.prefix = SpacePrefix::Missing;
    } else if (scheme == "first") {
      data.rules.prefix = SpacePrefix::MissingAtStart;
    } else if (scheme == "never") {
      data.rules.prefix = SpacePrefix::None;
    } else {
      return fields.corrupt("prepend_scheme",
                            "is " + inQuotes(scheme) +
                                "; it must be always, first or never");
    }
    if (splits) {
      data.rules.expressions.emplace_back(kBeforeSpaces);
    }
    hasMetaspace = true;
    return Status::ok();
  }

  Status readSplitter(const JsonFields &fields, int depth) {
    AIR_ASSIGN_OR_RETURN(std::string type, fields.text("type"));
    bool isBpe = isKind(TokenizerKind::Bpe);
    bool isUnigram = isKind(TokenizerKind::Unigram);
    if (type == "Sequence") {
      return forEachEntry(fields, "pretokenizers", depth,
                          [&](const JsonFields &each) {
                            return readSplitter(each, depth + 1);
                          });
    }
    if (isByteLevel) {
      return fields.unsupported("follows a pre-tokenizer of the type "
                                "'ByteLevel', which is not supported");
    }
    if (isBpe && type == "ByteLevel") {
      return readByteLevel(fields);
    }
    if (isBpe && type == "Split") {
      return readSplit(fields);
    }
    if (isBpe && type == "Digits") {
      AIR_ASSIGN_OR_RETURN(bool single,
                           fields.flag("individual_digits", false));
      data.rules.expressions.emplace_back(single ? R"(\p{N})" : R"(\p{N}+)");
      return Status::ok();
    }
    if (isBpe && type == "Punctuation") {
      return readPunctuation(fields);
    }
    if ((isBpe || isUnigram) && type == "Metaspace") {
      return readMetaspace(fields);
    }
    if (isBpe && (type == "Whitespace" || type == "WhitespaceSplit")) {
      data.rules.expressions.emplace_back(
          type == "Whitespace"
              ? preTokenizerRules("whitespace")->expressions.front()
              : kNoSpaces);
      splitsWords = true;
      return Status::ok();
    }
    if (isUnigram && type == "WhitespaceSplit") {
      if (hasMetaspace) {
        return fields.unsupported("has the type 'WhitespaceSplit', which is "
                                  "supported only before a pre-tokenizer of "
                                  "the type 'Metaspace'");
      }
      splitsWords = true;
      return Status::ok();
    }
    if (isKind(TokenizerKind::WordPiece) && type == "BertPreTokenizer") {
      hasBertSplitter = true;
      return Status::ok();
    }
    return refuse(fields, type);
  }

  Status finish() {
    auto missing = [](const std::string &what) {
      return unsupportedError("tokenizer: " + what);
    };
    if (isKind(TokenizerKind::WordPiece) && !(hasBert && hasBertSplitter)) {
      return missing("a model of the type WordPiece is supported only with a "
                     "BertNormalizer and a BertPreTokenizer");
    }
    if (isKind(TokenizerKind::Unigram)) {
      if (!hasMetaspace) {
        return missing("a model of the type Unigram is supported only with a "
                       "pre-tokenizer of the type 'Metaspace'");
      }
      bool isPrefixed = data.rules.prefix == SpacePrefix::Missing;
      if (stripsEnd != data.removeExtraWhitespaces) {
        return missing(
            stripsEnd ? "spaces at the end of a text are stripped, but several "
                        "spaces are not replaced with one; only both "
                        "together are supported"
                      : "several spaces are replaced with one, but spaces at "
                        "the end of a text are not stripped; only both "
                        "together are supported");
      }
      if ((splitsWords || stripsEnd) && !isPrefixed) {
        return missing("removing white space is only supported if 'Metaspace' "
                       "has the prepend_scheme 'always'");
      }
      if (splitsWords) {
        data.rules.prefix = SpacePrefix::EveryWord;
      }
    }
    if (isKind(TokenizerKind::Bpe) && !isByteLevel) {
      const bool marks = replacesSpaces || hasMetaspace;
      const bool hasPrefix = data.rules.prefix != SpacePrefix::None;
      if (marks == splitsWords || (splitsWords && hasPrefix)) {
        return missing("a model of the type BPE is supported only with exactly "
                       "one of these: a pre-tokenizer of the type 'ByteLevel', "
                       "one of the type 'Whitespace' or 'WhitespaceSplit', or "
                       "U+2581 in place of spaces");
      }
      if (splitsWords) {
        data.rules.spelling = TokenSpelling::Words;
      }
    }
    if (isKind(TokenizerKind::Bpe) && !isByteLevel && !splitsWords) {
      bool splitsElse = data.rules.expressions.size() > 1 ||
                        (data.rules.expressions.size() == 1 &&
                         data.rules.expressions[0] != kBeforeSpaces);
      if (splitsElse) {
        return missing("splitting text by regular expressions is not supported "
                       "if its spaces are replaced with U+2581");
      }
      data.rules.spelling = TokenSpelling::Text;
    } else if (isKind(TokenizerKind::Bpe) && isByteLevel &&
               (replacesSpaces || hasMetaspace || splitsWords)) {
      return missing(splitsWords
                         ? "removing white space is not supported if there is "
                           "a pre-tokenizer of the type 'ByteLevel'"
                         : "replacing spaces with U+2581 is not supported if "
                           "there is a pre-tokenizer of the type 'ByteLevel'");
    }
    data.addSpacePrefix = data.rules.prefix != SpacePrefix::None &&
                          marksSpaces(data.rules.spelling);
    if (isKind(TokenizerKind::Unigram)) {
      data.rules.spelling = TokenSpelling::Text;
      data.addSpacePrefix = data.rules.prefix != SpacePrefix::None;
    }
    data.rules.isSet = !isKind(TokenizerKind::WordPiece);
    return Status::ok();
  }

  TokenizerData &data;
  bool replacesSpaces = false;
  bool stripsEnd = false;
  bool hasMetaspace = false;
  bool splitsWords = false;
  bool hasBert = false;
  bool hasBertSplitter = false;
  bool isByteLevel = false;
};

/// Whether a vocabulary without a pipeline turns tokens into text in the way
/// that `decoder` says. True if the file has no decoder.
bool rendersAs(const TokenizerData &data, const JsonDecoder &decoder) {
  if (!decoder.isPresent) {
    return true;
  }
  switch (data.kind) {
  case TokenizerKind::Bpe:
    if (data.rules.spelling == TokenSpelling::Bytes) {
      return decoder.rendering == TokenRendering::Bytes && !decoder.dropsSpace;
    }
    return data.rules.spelling == TokenSpelling::Text &&
           decoder.rendering == TokenRendering::Marked &&
           decoder.mark == kSpaceMark;
  case TokenizerKind::Unigram:
    return decoder.rendering == TokenRendering::Marked &&
           decoder.mark == kSpaceMark;
  case TokenizerKind::WordPiece:
    return decoder.rendering == TokenRendering::Words &&
           decoder.prefix == "##" && !decoder.tidiesEnglish;
  default:
    return false;
  }
}

} // namespace

std::string literalExpression(std::string_view text) {
  std::string expression;
  for (char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) {
      expression += '\\';
    }
    expression += c;
  }
  return expression;
}

Result<JsonPattern> readPattern(const JsonFields &fields) {
  AIR_ASSIGN_OR_RETURN(std::optional<JsonFields> pattern,
                       fields.fields("pattern"));
  if (!pattern) {
    return fields.corrupt("pattern", "is missing");
  }
  AIR_ASSIGN_OR_RETURN(std::string regex, pattern->text("Regex", ""));
  AIR_ASSIGN_OR_RETURN(std::string text, pattern->text("String", ""));
  if (regex.empty() == text.empty()) {
    return pattern->unsupported("must have either a 'Regex' or a 'String', "
                                "and not both");
  }
  return regex.empty() ? JsonPattern{std::move(text), true}
                       : JsonPattern{std::move(regex), false};
}

Status readCharsmap(const JsonFields &fields, TokenizerData &data) {
  if (!data.charsmap.empty()) {
    return fields.unsupported("has the type 'Precompiled' for a second time; "
                              "only one such normalizer is supported");
  }
  AIR_ASSIGN_OR_RETURN(std::string text,
                       fields.text("precompiled_charsmap", ""));
  std::optional<std::string> bytes = fromBase64(text);
  if (!bytes) {
    return fields.corrupt("precompiled_charsmap", "is not base64");
  }
  data.charsmap = *std::move(bytes);
  return Status::ok();
}

std::optional<std::string> fromBase64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) {
    text.remove_suffix(1);
  }
  std::string bytes;
  uint32_t bits = 0;
  unsigned count = 0;
  for (char c : text) {
    size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count);
    }
  }
  return bytes;
}

Status readTextRules(const JsonFields &root, bool needsPipeline,
                     bool findsNormalized, TokenizerData &data) {
  AIR_ASSIGN_OR_RETURN(const JsonDecoder decoder, readDecoder(root));
  if (!needsPipeline) {
    // First, the rules are read into an object without a pipeline. It also has
    // no vocabulary, because TextRulesReader does not need one.
    TokenizerData plain;
    plain.kind = data.kind;
    plain.rules = data.rules;
    plain.rules.pipeline = TextPipeline();
    // If `findsNormalized` is true, normalised text is searched for added
    // tokens. Without a pipeline, only BPE normalises text for this search, and
    // only to a normalization form and to lower case: spaces stay as they are.
    // Files that need more are read as a pipeline.
    const bool isPlain = !findsNormalized ||
                         root.find("normalizer") == nullptr ||
                         data.kind == TokenizerKind::Bpe;
    TextRulesReader reader(plain);
    const Status status = reader.run(root);
    if (status.isOk() && isPlain && rendersAs(plain, decoder) &&
        !(findsNormalized && reader.changesSpaces())) {
      data.rules = std::move(plain.rules);
      data.charsmap = std::move(plain.charsmap);
      data.lowercase = plain.lowercase;
      data.stripAccents = plain.stripAccents;
      data.removeExtraWhitespaces = plain.removeExtraWhitespaces;
      data.addSpacePrefix =
          decoder.isPresent ? decoder.dropsSpace : plain.addSpacePrefix;
      return Status::ok();
    }
    if (!status.isOk() && status.code() != ErrorCode::Unsupported) {
      return status;
    }
  }
  return readPipeline(root, decoder, data);
}

} // namespace air
