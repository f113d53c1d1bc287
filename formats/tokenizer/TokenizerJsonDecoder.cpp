//===- TokenizerJsonDecoder.cpp - the decoder of a tokenizer.json ---------===//
//
// Only decoders that decode each token by itself are supported, except that
// they may drop a space at the beginning of the text. The decoders of published
// models are of this kind.
//
//===----------------------------------------------------------------------===//
#include "formats/support/Printable.h"
#include "formats/tokenizer/TokenizerJsonText.h"

namespace air {
namespace {

using Json = JsonFields::Json;

class DecoderReader {
public:
  Result<JsonDecoder> run(const JsonFields &root) {
    AIR_ASSIGN_OR_RETURN(std::optional<JsonFields> fields,
                         root.fields("decoder"));
    if (fields) {
      decoder.isPresent = true;
      AIR_RETURN_IF_ERROR(read(*fields, 0));
    }
    return decoder;
  }

private:
  Status read(const JsonFields &fields, int depth) {
    AIR_ASSIGN_OR_RETURN(std::string type, fields.text("type"));
    if (type == "Sequence" && depth < kDeepestList) {
      AIR_ASSIGN_OR_RETURN(const Json *list, fields.array("decoders"));
      for (size_t i = 0; i < list->size(); ++i) {
        AIR_ASSIGN_OR_RETURN(
            JsonFields each,
            JsonFields::of((*list)[i], fields.placeOf("decoders") + "[" +
                                           std::to_string(i) + "]"));
        AIR_RETURN_IF_ERROR(read(each, depth + 1));
      }
      return Status::ok();
    }
    if (type == "Fuse") {
      isFused = true;
      return Status::ok();
    }
    if (type == "ByteFallback" && !isFused) {
      // Tokens such as <0x0A> are decoded to their bytes with or without this
      // decoder.
      return Status::ok();
    }
    if (type == "ByteLevel") {
      return set(fields, TokenRendering::Bytes);
    }
    if (type == "Metaspace") {
      AIR_ASSIGN_OR_RETURN(decoder.mark,
                           fields.text("replacement", "\xe2\x96\x81"));
      if (decoder.mark.empty()) {
        return fields.corrupt("replacement",
                              "is empty; it must be a character");
      }
      AIR_ASSIGN_OR_RETURN(const std::string scheme, prependScheme(fields));
      decoder.dropsSpace = scheme != "never";
      return set(fields, TokenRendering::Marked);
    }
    if (type == "Replace") {
      AIR_ASSIGN_OR_RETURN(JsonPattern pattern, readPattern(fields));
      AIR_ASSIGN_OR_RETURN(std::string content, fields.text("content"));
      if (content != " " || !pattern.isLiteral) {
        return fields.unsupported("must replace the text in 'pattern.String', "
                                  "which must not be empty, with one space; "
                                  "no other replacement is supported");
      }
      decoder.mark = std::move(pattern.text);
      return set(fields, TokenRendering::Marked);
    }
    if (type == "Strip") {
      AIR_ASSIGN_OR_RETURN(std::string content, fields.text("content"));
      AIR_ASSIGN_OR_RETURN(std::optional<int32_t> start, fields.id("start"));
      AIR_ASSIGN_OR_RETURN(std::optional<int32_t> stop, fields.id("stop"));
      if (!isFused || content != " " || start.value_or(0) > 1 ||
          stop.value_or(0) != 0) {
        return fields.unsupported("strips something other than one space from "
                                  "the beginning of the fused text, which is "
                                  "not supported");
      }
      decoder.dropsSpace = start.value_or(0) == 1;
      return Status::ok();
    }
    if (type == "WordPiece") {
      AIR_ASSIGN_OR_RETURN(decoder.prefix, fields.text("prefix", "##"));
      AIR_ASSIGN_OR_RETURN(decoder.tidiesEnglish, fields.flag("cleanup", true));
      decoder.dropsSpace = true;
      return set(fields, TokenRendering::Words);
    }
    if (type == "BPEDecoder") {
      AIR_ASSIGN_OR_RETURN(decoder.suffix, fields.text("suffix", "</w>"));
      if (decoder.suffix.empty()) {
        return fields.unsupported("has an empty suffix, which would occur "
                                  "everywhere; only a suffix such as </w> is "
                                  "supported");
      }
      return set(fields, TokenRendering::Suffixed);
    }
    return fields.unsupported("has the type " + inQuotes(type) +
                              ", which is not supported here");
  }

  Status set(const JsonFields &fields, TokenRendering rendering) {
    if (decoder.rendering != TokenRendering::Plain || isFused) {
      return fields.unsupported("follows another decoder that changes the "
                                "text, which is not supported");
    }
    decoder.rendering = rendering;
    return Status::ok();
  }

  JsonDecoder decoder;
  bool isFused = false;
};

} // namespace

Result<std::string> prependScheme(const JsonFields &fields) {
  AIR_ASSIGN_OR_RETURN(bool adds, fields.flag("add_prefix_space", true));
  AIR_ASSIGN_OR_RETURN(
      std::string scheme,
      fields.text("prepend_scheme", adds ? "always" : "never"));
  if (!adds && scheme != "never") {
    return fields.corrupt("prepend_scheme",
                          "is " + inQuotes(scheme) +
                              ", but 'add_prefix_space' is false; the scheme "
                              "must then be never");
  }
  return scheme;
}

Result<JsonDecoder> readDecoder(const JsonFields &root) {
  return DecoderReader().run(root);
}

} // namespace air
