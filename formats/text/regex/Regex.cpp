//===- Regex.cpp - regular expressions in linear time -----------*- C++ -*-===//
#include "formats/text/regex/Regex.h"

#include "formats/text/regex/RegexCode.h"
#include "formats/text/regex/RegexSyntax.h"

namespace air {

Result<Regex> Regex::compile(std::string_view pattern, RegexAnchors anchors) {
  AIR_ASSIGN_OR_RETURN(RegexSyntax syntax, parseRegex(pattern, anchors));
  AIR_ASSIGN_OR_RETURN(RegexProgram program, compileRegex(syntax));
  return Regex(std::make_shared<const RegexProgram>(std::move(program)));
}

Result<Regex> Regex::load(std::span<const uint32_t> words) {
  AIR_ASSIGN_OR_RETURN(RegexProgram program, readRegex(words));
  return Regex(std::make_shared<const RegexProgram>(std::move(program)));
}

std::vector<uint32_t> Regex::code() const { return writeRegex(*compiled); }

} // namespace air
