//===- GrammarBuilder.cpp - makes grammars ----------------------*- C++ -*-===//
#include "runtime/text/grammar/GrammarBuilder.h"

#include "formats/support/CountText.h"
#include "formats/support/Utf8.h"

#include <algorithm>

namespace air::rt {
namespace {

/// The largest number of bits that Grammar::setHasClass may have, which take
/// 8 MB.
constexpr uint64_t kMostSetBits = 64'000'000;

bool isSelfRepetition(const GrammarSequence &alternative, uint32_t rule) {
  return alternative.size() == 2 &&
         alternative[1] == GrammarBuilder::rule(rule);
}

} // namespace

uint32_t GrammarBuilder::addRule(std::string from) {
  origins.push_back(std::move(from));
  rules.push_back({static_cast<uint32_t>(origins.size() - 1), false, {}});
  return static_cast<uint32_t>(rules.size() - 1);
}

void GrammarBuilder::setOrigin(std::string from) {
  origins.push_back(std::move(from));
  origin = static_cast<uint32_t>(origins.size() - 1);
}

void GrammarBuilder::define(uint32_t rule,
                            std::vector<GrammarSequence> alternatives) {
  for (const GrammarSequence &alternative : alternatives) {
    size += alternative.size() + 1;
  }
  rules[rule].isDefined = true;
  rules[rule].alternatives = std::move(alternatives);
}

GrammarSymbol GrammarBuilder::set(const CodePointSet &characters) {
  std::vector<uint32_t> key;
  for (const CodePointRange &range : characters.ranges()) {
    key.push_back(range.first);
    key.push_back(range.last);
  }
  auto [found, isNew] =
      setIndex.try_emplace(std::move(key), static_cast<uint32_t>(sets.size()));
  if (isNew) {
    sets.push_back(characters);
  }
  return {GrammarElement::Set, found->second};
}

GrammarSequence GrammarBuilder::text(std::string_view text) {
  GrammarSequence symbols;
  while (!text.empty()) {
    Utf8Step step = decodeUtf8(text);
    symbols.push_back(set(CodePointSet({{step.codePoint, step.codePoint}})));
    text.remove_prefix(step.length);
  }
  return symbols;
}

GrammarSymbol GrammarBuilder::choice(std::vector<GrammarSequence> options) {
  if (options.size() == 1 && options[0].size() == 1) {
    return options[0][0];
  }
  bool areSets = !options.empty();
  for (const GrammarSequence &option : options) {
    areSets &= option.size() == 1 && option[0].kind == GrammarElement::Set;
  }
  if (areSets) {
    CodePointSet all;
    for (const GrammarSequence &option : options) {
      all.add(sets[option[0].value]);
    }
    return set(all);
  }
  rules.push_back({origin, false, {}});
  auto index = static_cast<uint32_t>(rules.size() - 1);
  define(index, std::move(options));
  return rule(index);
}

GrammarSequence GrammarBuilder::repeat(GrammarSequence part, uint32_t least,
                                       uint32_t most) {
  if (part.empty() || most == 0) {
    return {};
  }
  size += least;
  if (isTooLarge()) {
    return {};
  }
  GrammarSymbol symbol = part.size() == 1 ? part[0] : choice({std::move(part)});
  GrammarSequence symbols(least, symbol);
  // The rules are right-recursive, so that they are matched without a stack.
  uint32_t rest = most == kUnlimited ? 1 : most - least;
  GrammarSequence after;
  for (uint32_t i = 0; i < rest; ++i) {
    rules.push_back({origin, false, {}});
    auto index = static_cast<uint32_t>(rules.size() - 1);
    GrammarSequence more = {symbol};
    more.insert(more.end(), after.begin(), after.end());
    if (most == kUnlimited) {
      more.push_back(rule(index));
    }
    define(index, {std::move(more), {}});
    after = {rule(index)};
  }
  symbols.insert(symbols.end(), after.begin(), after.end());
  return symbols;
}

Status GrammarBuilder::fail(uint32_t rule, const std::string &what) const {
  return corruptError("grammar: " + origins[rules[rule].origin] + " " + what);
}

std::vector<bool> GrammarBuilder::closure(const std::vector<bool> &setHas,
                                          bool tokensHave) const {
  // `unknown` is the number of symbols of the alternative that are not yet
  // known to have the property that closure() computes. `uses` pairs each rule
  // with the alternatives in which it occurs.
  struct Alternative {
    uint32_t rule;
    uint32_t unknown;
  };
  std::vector<Alternative> alternatives;
  std::vector<std::pair<uint32_t, uint32_t>> uses;
  std::vector<bool> has(rules.size());
  std::vector<uint32_t> found;
  auto mark = [&](const Alternative &alternative) {
    if (alternative.unknown == 0 && !has[alternative.rule]) {
      has[alternative.rule] = true;
      found.push_back(alternative.rule);
    }
  };
  for (uint32_t i = 0; i < rules.size(); ++i) {
    for (const GrammarSequence &sequence : rules[i].alternatives) {
      auto index = static_cast<uint32_t>(alternatives.size());
      Alternative alternative{i, 0};
      for (const GrammarSymbol &symbol : sequence) {
        bool known = symbol.kind == GrammarElement::Set ? setHas[symbol.value]
                     : symbol.kind == GrammarElement::Rule ? false
                                                           : tokensHave;
        alternative.unknown += known ? 0 : 1;
        if (symbol.kind == GrammarElement::Rule) {
          uses.emplace_back(symbol.value, index);
        }
      }
      alternatives.push_back(alternative);
      mark(alternative);
    }
  }
  std::ranges::sort(uses);
  while (!found.empty()) {
    uint32_t next = found.back();
    found.pop_back();
    for (auto use = std::ranges::lower_bound(uses, std::pair(next, 0U));
         use != uses.end() && use->first == next; ++use) {
      --alternatives[use->second].unknown;
      mark(alternatives[use->second]);
    }
  }
  return has;
}

void GrammarBuilder::leaveOutEmpty(const std::vector<bool> &isProductive) {
  for (Rule &rule : rules) {
    std::erase_if(rule.alternatives, [&](const GrammarSequence &alternative) {
      return std::ranges::any_of(alternative, [&](const GrammarSymbol &symbol) {
        return (symbol.kind == GrammarElement::Rule &&
                !isProductive[symbol.value]) ||
               (symbol.kind == GrammarElement::Set &&
                sets[symbol.value].empty());
      });
    });
  }
}

Result<std::vector<uint32_t>>
GrammarBuilder::ranks(const std::vector<bool> &nullable) const {
  // A depth-first search from each rule to the rules with which its texts may
  // begin. The search leaves the rules in reverse topological order.
  struct Visit {
    uint32_t rule;
    size_t next = 0;
    std::vector<uint32_t> edges;
  };
  auto edgesOf = [&](uint32_t index) {
    std::vector<uint32_t> edges;
    for (const GrammarSequence &alternative : rules[index].alternatives) {
      for (const GrammarSymbol &symbol : alternative) {
        if (symbol.kind != GrammarElement::Rule) {
          break;
        }
        // If the repeated part matches the empty text, a repetition calls
        // itself at the same position. Such a call does not change which texts
        // the rule matches, so it is left out of `edges`.
        bool isOwn = symbol.value == index &&
                     isSelfRepetition(alternative, index) &&
                     &symbol == &alternative[1];
        if (!isOwn) {
          edges.push_back(symbol.value);
        }
        if (!nullable[symbol.value]) {
          break;
        }
      }
    }
    return edges;
  };
  enum : uint8_t { New, Open, Done };
  std::vector<uint8_t> state(rules.size(), New);
  std::vector<uint32_t> rank(rules.size());
  auto next = static_cast<uint32_t>(rules.size());
  std::vector<Visit> stack;
  for (uint32_t start = 0; start < rules.size(); ++start) {
    if (state[start] != New) {
      continue;
    }
    state[start] = Open;
    stack.push_back({start, 0, edgesOf(start)});
    while (!stack.empty()) {
      Visit &visit = stack.back();
      if (visit.next == visit.edges.size()) {
        state[visit.rule] = Done;
        rank[visit.rule] = --next;
        stack.pop_back();
        continue;
      }
      uint32_t to = visit.edges[visit.next++];
      if (state[to] == Open) {
        return fail(to, "is left-recursive: its text can begin with a text of "
                        "the same rule; write a repetition with * instead");
      }
      if (state[to] == New) {
        state[to] = Open;
        stack.push_back({to, 0, edgesOf(to)});
      }
    }
  }
  return rank;
}

Result<std::shared_ptr<const Grammar>>
GrammarBuilder::finish(uint32_t root) && {
  if (isTooLarge()) {
    return unsupportedError("grammar: its repetitions expand to more than " +
                            std::to_string(kMostSymbols) +
                            " symbols; use smaller repetition counts");
  }
  for (uint32_t i = 0; i < rules.size(); ++i) {
    if (!rules[i].isDefined) {
      return fail(i, "is not defined");
    }
  }
  std::vector<bool> setHas(sets.size());
  for (size_t i = 0; i < sets.size(); ++i) {
    setHas[i] = !sets[i].empty();
  }
  std::vector<bool> isProductive = closure(setHas, true);
  if (!isProductive[root]) {
    return fail(root, "matches no text, because each text would have to be "
                      "endless or contain a character of an empty set");
  }
  setHas.assign(sets.size(), false);
  std::vector<bool> nullable = closure(setHas, false);
  // Left recursion is an error even in an alternative that leaveOutEmpty()
  // would remove.
  AIR_ASSIGN_OR_RETURN(std::vector<uint32_t> rank, ranks(nullable));
  leaveOutEmpty(isProductive);

  auto grammar = std::make_shared<Grammar>();
  grammar->root = root;
  grammar->rules.resize(rules.size());
  for (size_t i = 0; i < rules.size(); ++i) {
    GrammarRule &rule = grammar->rules[i];
    rule.firstAlternative = static_cast<uint32_t>(grammar->alternatives.size());
    rule.alternatives = static_cast<uint32_t>(rules[i].alternatives.size());
    rule.isNullable = nullable[i];
    rule.rank = rank[i];
    for (const GrammarSequence &alternative : rules[i].alternatives) {
      grammar->alternatives.push_back(
          static_cast<uint32_t>(grammar->elements.size()));
      for (const GrammarSymbol &symbol : alternative) {
        grammar->elements.push_back(symbol);
        grammar->hasTokens |= symbol.kind == GrammarElement::Token ||
                              symbol.kind == GrammarElement::NotToken;
      }
      grammar->elements.push_back({});
    }
    rules[i].alternatives = {};
  }
  grammar->classes = CharacterClasses(sets);
  const uint32_t classes = grammar->classes.count();
  if (uint64_t{classes} * sets.size() > kMostSetBits || classes > UINT16_MAX) {
    return unsupportedError(
        "grammar: its " + std::to_string(sets.size()) +
        " different sets of characters distinguish " +
        countOf(classes, "class of characters", "classes of characters") +
        "; the product of these numbers must be at "
        "most " +
        std::to_string(kMostSetBits) + ", and the number of classes at most " +
        std::to_string(UINT16_MAX) + "; use fewer sets");
  }
  for (const CodePointSet &each : sets) {
    std::vector<bool> &has = grammar->setHasClass.emplace_back(classes);
    for (uint32_t i = 0; i < classes; ++i) {
      has[i] = each.contains(grammar->classes.member(i));
    }
  }
  grammar->sets = std::move(sets);
  return std::shared_ptr<const Grammar>(std::move(grammar));
}

} // namespace air::rt
