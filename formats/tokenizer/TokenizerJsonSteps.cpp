//===- TokenizerJsonSteps.cpp - tokenizer.json -> TextPipeline ------------===//
#include "formats/model/PreTokenizerNames.h"
#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"
#include "formats/text/regex/Regex.h"
#include "formats/text/unicode/Normalize.h"
#include "formats/tokenizer/TokenizerJsonText.h"

#include <algorithm>

namespace air {
namespace {

using Json = JsonFields::Json;
using Kind = TextStepKind;

class StepsReader {
public:
  explicit StepsReader(TokenizerData &tokenizer)
      : data(tokenizer), pipeline(tokenizer.rules.pipeline) {}

  Status run(const JsonFields &root) {
    pipeline.isSet = true;
    AIR_ASSIGN_OR_RETURN(std::optional<JsonFields> normalizer,
                         root.fields("normalizer"));
    if (normalizer) {
      AIR_RETURN_IF_ERROR(readNormalizer(*normalizer, 0));
    }
    pipeline.normalizerSteps = static_cast<uint32_t>(pipeline.steps.size());
    AIR_ASSIGN_OR_RETURN(std::optional<JsonFields> splitter,
                         root.fields("pre_tokenizer"));
    return splitter ? readSplitter(*splitter, 0) : Status::ok();
  }

private:
  void add(TextStep step) { pipeline.steps.push_back(std::move(step)); }

  /// Reads the pattern of a component. Errors: those of readPattern(), and
  /// those of Regex::compile() if the pattern is an expression.
  static Result<JsonPattern> checkedPattern(const JsonFields &fields) {
    AIR_ASSIGN_OR_RETURN(JsonPattern pattern, readPattern(fields));
    if (!pattern.isLiteral) {
      const Status status =
          Regex::compile(pattern.text, RegexAnchors::Lines).status();
      if (!status.isOk()) {
        return status.withContext("tokenizer: '" + fields.placeOf("pattern") +
                                  "'");
      }
    }
    return pattern;
  }

  Status readBert(const JsonFields &fields) {
    const std::pair<const char *, uint8_t> flags[] = {
        {"clean_text", step_flags::kClean},
        {"handle_chinese_chars", step_flags::kSpacesIdeographs},
        {"lowercase", step_flags::kLower}};
    TextStep step = {.kind = Kind::Bert};
    for (const auto &[name, bit] : flags) {
      AIR_ASSIGN_OR_RETURN(bool isOn, fields.flag(name, true));
      step.flags |= isOn ? bit : 0;
    }
    AIR_ASSIGN_OR_RETURN(
        bool strips,
        fields.flag("strip_accents", (step.flags & step_flags::kLower) != 0));
    step.flags |= strips ? step_flags::kAccents : 0;
    add(step);
    return Status::ok();
  }

  Status readNormalizer(const JsonFields &fields, int depth) {
    AIR_ASSIGN_OR_RETURN(std::string type, fields.text("type"));
    if (type == "Sequence") {
      return forEachEntry(fields, "normalizers", depth,
                          [&](const JsonFields &each) {
                            return readNormalizer(each, depth + 1);
                          });
    }
    const std::pair<const char *, NormalForm> forms[] = {
        {"NFC", NormalForm::C},
        {"NFD", NormalForm::D},
        {"NFKC", NormalForm::KC},
        {"NFKD", NormalForm::KD}};
    for (const auto &[name, form] : forms) {
      if (type == name) {
        add({.kind = Kind::Form, .number = static_cast<uint32_t>(form)});
        return Status::ok();
      }
    }
    const std::pair<const char *, Kind> simple[] = {
        {"Lowercase", Kind::Lowercase},
        {"StripAccents", Kind::StripAccents},
        {"Nmt", Kind::Nmt},
        {"ByteLevel", Kind::SpellBytes}};
    for (const auto &[name, kind] : simple) {
      if (type == name) {
        add({.kind = kind});
        return Status::ok();
      }
    }
    if (type == "Strip") {
      AIR_ASSIGN_OR_RETURN(bool left, fields.flag("strip_left", false));
      AIR_ASSIGN_OR_RETURN(bool right, fields.flag("strip_right", false));
      add({.kind = Kind::Strip,
           .flags = static_cast<uint8_t>((left ? step_flags::kLeft : 0) |
                                         (right ? step_flags::kRight : 0))});
      return Status::ok();
    }
    if (type == "Replace") {
      AIR_ASSIGN_OR_RETURN(JsonPattern pattern, checkedPattern(fields));
      AIR_ASSIGN_OR_RETURN(std::string content, fields.text("content"));
      add({.kind = Kind::Replace,
           .flags = pattern.isLiteral ? step_flags::kLiteral : uint8_t{0},
           .pattern = std::move(pattern.text),
           .content = std::move(content)});
      return Status::ok();
    }
    if (type == "Prepend") {
      AIR_ASSIGN_OR_RETURN(std::string text, fields.text("prepend"));
      add({.kind = Kind::Prepend, .content = std::move(text)});
      return Status::ok();
    }
    if (type == "BertNormalizer") {
      return readBert(fields);
    }
    if (type == "Precompiled") {
      AIR_RETURN_IF_ERROR(readCharsmap(fields, data));
      add({.kind = Kind::Charsmap});
      return Status::ok();
    }
    return fields.unsupported("has the type " + inQuotes(type) +
                              ", which is not supported");
  }

  void addSplit(std::string pattern, SplitBehavior behavior,
                bool inverts = false) {
    add({.kind = Kind::Split,
         .flags = inverts ? step_flags::kInverts : uint8_t{0},
         .behavior = behavior,
         .pattern = std::move(pattern)});
  }

  static Result<SplitBehavior> readBehavior(const JsonFields &fields,
                                            std::string absent) {
    constexpr const char *kNames[] = {"Removed", "Isolated",
                                      "MergedWithPrevious", "MergedWithNext",
                                      "Contiguous"};
    AIR_ASSIGN_OR_RETURN(std::string name,
                         absent.empty()
                             ? fields.text("behavior")
                             : fields.text("behavior", std::move(absent)));
    const auto *found = std::ranges::find(kNames, name);
    if (found == std::end(kNames)) {
      return fields.unsupported("has the behavior " + inQuotes(name) +
                                ", which is not supported");
    }
    return static_cast<SplitBehavior>(found - std::begin(kNames));
  }

  Status readMetaspace(const JsonFields &fields) {
    AIR_ASSIGN_OR_RETURN(std::string mark,
                         fields.text("replacement", std::string(kSpaceMark)));
    AIR_ASSIGN_OR_RETURN(const std::string scheme, prependScheme(fields));
    AIR_ASSIGN_OR_RETURN(bool splits, fields.flag("split", true));
    constexpr const char *kNames[] = {"never", "always", "first"};
    const auto *found = std::ranges::find(kNames, scheme);
    if (found == std::end(kNames)) {
      return fields.corrupt("prepend_scheme",
                            "is " + inQuotes(scheme) +
                                "; it must be always, first or never");
    }
    add({.kind = Kind::MarkSpaces,
         .number = static_cast<uint32_t>(found - std::begin(kNames)),
         .content = mark});
    if (splits) {
      addSplit(literalExpression(mark), SplitBehavior::MergedWithNext);
    }
    return Status::ok();
  }

  Status readByteLevel(const JsonFields &fields) {
    AIR_ASSIGN_OR_RETURN(bool prefix, fields.flag("add_prefix_space", true));
    AIR_ASSIGN_OR_RETURN(bool splits, fields.flag("use_regex", true));
    if (prefix) {
      add({.kind = Kind::SpaceBefore});
    }
    if (splits) {
      addSplit(std::string(kByteLevelExpression), SplitBehavior::Isolated);
    }
    add({.kind = Kind::SpellBytes});
    return Status::ok();
  }

  Status readSplitter(const JsonFields &fields, int depth) {
    AIR_ASSIGN_OR_RETURN(std::string type, fields.text("type"));
    if (type == "Sequence") {
      return forEachEntry(fields, "pretokenizers", depth,
                          [&](const JsonFields &each) {
                            return readSplitter(each, depth + 1);
                          });
    }
    if (type == "ByteLevel") {
      return readByteLevel(fields);
    }
    if (type == "Metaspace") {
      return readMetaspace(fields);
    }
    if (type == "Split") {
      AIR_ASSIGN_OR_RETURN(JsonPattern pattern, checkedPattern(fields));
      AIR_ASSIGN_OR_RETURN(SplitBehavior behavior, readBehavior(fields, ""));
      AIR_ASSIGN_OR_RETURN(bool inverts, fields.flag("invert", false));
      addSplit(pattern.isLiteral ? literalExpression(pattern.text)
                                 : std::move(pattern.text),
               behavior, inverts);
      return Status::ok();
    }
    if (type == "Punctuation") {
      AIR_ASSIGN_OR_RETURN(SplitBehavior behavior,
                           readBehavior(fields, "Isolated"));
      addSplit(std::string(kPunctuationExpression), behavior);
      return Status::ok();
    }
    if (type == "Digits") {
      AIR_ASSIGN_OR_RETURN(bool single,
                           fields.flag("individual_digits", false));
      addSplit(R"(\p{N})",
               single ? SplitBehavior::Isolated : SplitBehavior::Contiguous);
      return Status::ok();
    }
    if (type == "Whitespace") {
      addSplit(
          std::string(preTokenizerRules("whitespace")->expressions.front()),
          SplitBehavior::Removed, true);
      return Status::ok();
    }
    if (type == "WhitespaceSplit" || type == "BertPreTokenizer") {
      addSplit(R"(\s+)", SplitBehavior::Removed);
      if (type == "BertPreTokenizer") {
        addSplit(std::string(kPunctuationExpression), SplitBehavior::Isolated);
      }
      return Status::ok();
    }
    if (type == "CharDelimiterSplit") {
      AIR_ASSIGN_OR_RETURN(std::string delimiter, fields.text("delimiter"));
      if (delimiter.empty()) {
        return fields.corrupt("delimiter", "is empty; it must be a character");
      }
      if (decodeUtf8(delimiter).length != delimiter.size()) {
        return fields.corrupt("delimiter", "is " + inQuotes(delimiter) +
                                               "; it must be one character");
      }
      addSplit(literalExpression(delimiter), SplitBehavior::Removed);
      return Status::ok();
    }
    if (type == "FixedLength") {
      constexpr int32_t kLength = 5; // if the file states no length
      AIR_ASSIGN_OR_RETURN(std::optional<int32_t> length, fields.id("length"));
      add({.kind = Kind::FixedLength,
           .number = static_cast<uint32_t>(length.value_or(kLength))});
      return Status::ok();
    }
    if (type == "UnicodeScripts") {
      add({.kind = Kind::Scripts});
      return Status::ok();
    }
    return fields.unsupported("has the type " + inQuotes(type) +
                              ", which is not supported");
  }

  TokenizerData &data;
  TextPipeline &pipeline;
};

/// Returns the decoder to use if the file has none. Hugging Face's `tokenizers`
/// library then joins all tokens with spaces, which is right only for tokens
/// that are whole words. The decoder returned here instead undoes, as far as it
/// can, what the steps of the pipeline have done to the text.
JsonDecoder decoderFor(const TokenizerData &data) {
  const TextPipeline &pipeline = data.rules.pipeline;
  JsonDecoder made;
  bool removes = data.kind == TokenizerKind::WordLevel;
  for (const TextStep &step : pipeline.steps) {
    if (step.kind == Kind::SpellBytes) {
      return {.rendering = TokenRendering::Bytes};
    }
    if (step.kind == Kind::MarkSpaces ||
        (step.kind == Kind::Replace && step.pattern == " " &&
         step.flags == step_flags::kLiteral && !step.content.empty())) {
      made.rendering = TokenRendering::Marked;
      made.mark = step.content;
      made.dropsSpace |= step.kind == Kind::MarkSpaces && step.number != 0;
    }
    made.dropsSpace |= step.kind == Kind::Prepend && step.content == kSpaceMark;
    removes |=
        step.kind == Kind::Split && step.behavior == SplitBehavior::Removed;
  }
  if (made.rendering == TokenRendering::Marked) {
    return made;
  }
  made.dropsSpace = true;
  made.prefix = pipeline.wordPrefix;
  if (!pipeline.wordSuffix.empty()) {
    return {.rendering = TokenRendering::Suffixed,
            .suffix = pipeline.wordSuffix};
  }
  if (removes || data.kind == TokenizerKind::WordPiece) {
    made.rendering = TokenRendering::Words;
  } else {
    made.dropsSpace = false;
  }
  return made;
}

} // namespace

Status readPipeline(const JsonFields &root, const JsonDecoder &decoder,
                    TokenizerData &data) {
  AIR_RETURN_IF_ERROR(StepsReader(data).run(root));
  TextPipeline &pipeline = data.rules.pipeline;
  const JsonDecoder used = decoder.isPresent ? decoder : decoderFor(data);
  pipeline.rendering = used.rendering;
  pipeline.mark = used.mark;
  pipeline.tidiesEnglish = used.tidiesEnglish;
  data.addSpacePrefix = used.dropsSpace;
  data.rules.isSet = true;
  const bool usesPrefix =
      data.kind == TokenizerKind::Bpe || data.kind == TokenizerKind::WordPiece;
  if (used.rendering == TokenRendering::Words && !usesPrefix) {
    pipeline.wordPrefix = used.prefix;
  }
  if (used.rendering == TokenRendering::Suffixed && !usesPrefix) {
    pipeline.wordSuffix = used.suffix;
  }
  if ((used.rendering == TokenRendering::Words &&
       used.prefix != pipeline.wordPrefix) ||
      (used.rendering == TokenRendering::Suffixed &&
       used.suffix != pipeline.wordSuffix)) {
    return unsupportedError("tokenizer: the decoder expects parts of words "
                            "to be marked with " +
                            inQuotes(used.rendering == TokenRendering::Words
                                         ? used.prefix
                                         : used.suffix) +
                            ", but the model marks them with " +
                            inQuotes(used.rendering == TokenRendering::Words
                                         ? pipeline.wordPrefix
                                         : pipeline.wordSuffix) +
                            "; the two must be equal");
  }
  return Status::ok();
}

} // namespace air
