//===- JsonSchema.h - a grammar of the JSON that a schema allows *- C++ -*-===//
//
// Makes a grammar from a JSON schema (draft 2020-12). docs/grammars.md lists
// the keywords, and says where a grammar allows fewer texts than the schema.
// Every other keyword that could restrict values is refused, so that a text of
// the grammar is always valid.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_JSONSCHEMA_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_JSONSCHEMA_H

#include "formats/support/Status.h"
#include "runtime/text/grammar/GrammarBuilder.h"
#include "runtime/text/grammar/SchemaShape.h"
#include "runtime/text/grammar/SchemaStrings.h"

#include <map>
#include <memory>
#include <string_view>

namespace air::rt {

/// Errors, with the JSON pointer of the keyword if one is to blame: Corrupt if
/// `text` is not a JSON schema, or allows no value; Unsupported for a keyword
/// that is not supported, and for a schema that is too large.
Result<std::shared_ptr<const Grammar>> grammarOfSchema(std::string_view text);

/// How the values of a schema are written.
enum class SchemaSpelling : uint8_t {
  Json,    ///< in every way that docs/grammars.md lists
  Escaped, ///< as JSON without the character <, which strings write as \u003c
  Python,  ///< like Escaped, but True, False and None are allowed, too
};

/// A member of an object, or an argument of a call.
struct GrammarMember {
  GrammarSequence text;
  bool isRequired = false;
};

/// What may follow the members that membersInOrder() receives.
struct MemberRest {
  GrammarSequence first; ///< used if all these members are left out
  GrammarSequence after; ///< used after one of these members
};

/// The members in their order, with `comma` between them. Those that are not
/// required may be left out.
GrammarSequence membersInOrder(GrammarBuilder &builder,
                               const std::vector<GrammarMember> &members,
                               const GrammarSequence &comma, MemberRest rest);

/// The names of an object's properties: first the properties that have a schema
/// of their own, in the order of the schema, then the other required ones.
std::vector<std::string> namesOfProperties(const SchemaShape &shape);

/// Adds the rules of a schema to a grammar that has other rules, too.
/// Ownership: refers to the document and the builder.
class SchemaRules {
public:
  SchemaRules(const SchemaDocument &source, GrammarBuilder &made,
              SchemaSpelling spelling = SchemaSpelling::Json);

  /// Returns the symbol of a rule for the values that all of the schemas allow.
  /// define() must be called afterwards, because it defines this rule.
  GrammarSymbol valueOf(SchemaList schemas);
  /// Adds the rules for the results of valueOf() and for the values within
  /// them. Errors: as for grammarOfSchema(). After an error, the rules are
  /// incomplete.
  Status define();
  /// The function shapesOf() for schemas of the document. Its calls and those
  /// of define() share a limit for proofs (ProofCount).
  Result<std::vector<SchemaShape>> shapesOf(const SchemaList &schemas);
  /// Why a shape (SchemaShape.h) of one of the schemas allows no value, so that
  /// define() left it out; "" if it left out none.
  const std::string &whyEmpty() const { return contradiction; }

private:
  using Options = std::vector<GrammarSequence>;

  Status define(uint32_t rule, const SchemaList &schemas);
  Status addShape(const SchemaShape &shape, Options &options);
  Result<GrammarSequence> stringOf(const SchemaShape &shape);
  GrammarSequence arrayOf(const SchemaShape &shape);
  GrammarSequence objectOf(const SchemaShape &shape);
  void addWord(const char *json, const char *python, Options &options);
  GrammarSymbol space();
  /// Returns `text` with optional white space after it.
  GrammarSequence mark(const char *text);
  GrammarSequence comma() { return mark(","); }
  GrammarSequence inBrackets(const char *open, GrammarSequence inner,
                             bool mayBeEmpty, const char *close);

  const SchemaDocument &document;
  GrammarBuilder &builder;
  bool hasPythonWords;
  SchemaStrings strings;
  /// The rule for the values that satisfy all schemas of a list.
  std::map<SchemaList, uint32_t> rules;
  std::vector<std::pair<uint32_t, SchemaList>> open; ///< rules to be defined
  std::optional<GrammarSymbol> spaceSymbol;
  std::string contradiction;
  ProofCount proofs;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_JSONSCHEMA_H
