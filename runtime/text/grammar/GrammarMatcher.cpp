//===- GrammarMatcher.cpp - the tokens that a grammar allows ----*- C++ -*-===//
#include "runtime/text/grammar/GrammarMatcher.h"

#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <numeric>

namespace air::rt {

void TokenMask::add(const TokenMask &other) {
  for (size_t i = 0; i < words.size(); ++i) {
    words[i] |= other.words[i];
  }
}

bool TokenMask::empty() const {
  return std::ranges::all_of(words, [](uint64_t word) { return word == 0; });
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<const Grammar> grammar,
                               const TokenTrie &vocabulary,
                               std::vector<int32_t> endOfGeneration,
                               GrammarStates::Limits limits)
    : states(std::move(grammar), limits), trie(vocabulary),
      endTokens(std::move(endOfGeneration)), current(states.start()),
      everyText(vocabulary.size()), united(vocabulary.size()),
      path(vocabulary.depth() + size_t{1}) {
  for (int32_t id : vocabulary.idsByRank()) {
    everyText.add(id);
  }
  prepareTrie();
}

void GrammarMatcher::prepareTrie() {
  const CharacterClasses &classes = states.grammar().classes;
  const std::vector<TokenTrie::Node> &nodes = trie.nodes();
  // Incomplete characters have the same kind if they can become characters of
  // the same classes.
  std::map<std::vector<uint32_t>, uint32_t> kinds;
  for (const PartialCharacter &each : trie.partials()) {
    std::vector<uint32_t> possible = classes.inRange(each.completions);
    auto [found, isNew] = kinds.try_emplace(
        possible, static_cast<uint32_t>(partialClasses.size()));
    if (isNew) {
      partialClasses.push_back(std::move(possible));
    }
    partialKind.push_back(found->second);
  }
  std::vector<uint32_t> uses(classes.count());
  nodeClasses.resize(nodes.size());
  for (size_t i = 1; i < nodes.size(); ++i) {
    nodeClasses[i].edge = nodes[i].isPartial ? partialKind[nodes[i].symbol]
                                             : classes.of(nodes[i].symbol);
    uses[nodeClasses[i].edge] += nodes[i].isPartial ? 0 : 1;
  }
  // In a set of classes (kSharedBit), the most common classes have a bit each;
  // all others share one.
  byUse.resize(classes.count());
  std::iota(byUse.begin(), byUse.end(), 0);
  std::ranges::sort(byUse, [&](uint32_t a, uint32_t b) {
    return uses[a] != uses[b] ? uses[a] > uses[b] : a < b;
  });
  classBit.resize(classes.count());
  for (uint32_t i = 0; i < byUse.size(); ++i) {
    classBit[byUse[i]] = static_cast<uint8_t>(std::min(i, kSharedBit));
  }
  // Children come after their parents, so a backward pass reaches them first.
  std::vector<uint32_t> parents(nodes.size());
  std::vector<uint32_t> last(trie.depth() + size_t{1});
  for (size_t i = 1; i < nodes.size(); ++i) {
    parents[i] = last[nodes[i].depth - 1];
    last[nodes[i].depth] = static_cast<uint32_t>(i);
  }
  for (size_t i = nodes.size(); i-- > 1;) {
    uint64_t own = 0;
    if (nodes[i].isPartial) {
      for (uint32_t index : partialClasses[nodeClasses[i].edge]) {
        own |= bitOf(index);
      }
    } else {
      own = bitOf(nodeClasses[i].edge);
    }
    nodeClasses[parents[i]].usedBelow |= own | nodeClasses[i].usedBelow;
  }
}

/// Returns the state to which many of the characters that occur in tokens lead
/// from `state`, or kDead if there is no such state.
GrammarMatcher::State GrammarMatcher::commonNext(State state) {
  const State most = states.step(state, byUse[0]);
  if (most != GrammarStates::kDead) {
    return most;
  }
  // The grammar does not allow the most frequent class here; a name, for
  // example, may consist of only a few classes. Therefore, the next kTried
  // classes in order of frequency are tried, and a state to which half of them
  // lead is taken as the common one. Trying all classes would take too long
  // where a grammar lists many words: nearly every class then leads to a
  // different state, which has to be computed.
  constexpr size_t kTried = 8;
  constexpr ptrdiff_t kSame = kTried / 2;
  std::vector<State> nexts;
  for (size_t i = 1; i < byUse.size() && i <= kTried; ++i) {
    const State next = states.step(state, byUse[i]);
    nexts.push_back(next);
    if (next != GrammarStates::kDead &&
        std::ranges::count(nexts, next) >= kSame) {
      return next;
    }
  }
  return GrammarStates::kDead;
}

GrammarMatcher::Absorption GrammarMatcher::computeAbsorption(State state) {
  // `chain` receives `state` and then the states that repeated calls of
  // commonNext() return, until one whose Absorption is already known. Each
  // state of the chain adds at most one character to the length of the texts
  // that `state` is known to allow. kLongestChain characters are enough,
  // because few subtrees of the vocabulary's trie are deeper.
  constexpr size_t kLongestChain = 48;
  std::vector<State> chain;
  std::vector<State> nexts;
  State at = state;
  auto isKnown = [&](State each) {
    return each < absorptions.size() &&
           absorptions[each].length != kUnknownLength;
  };
  while (!isKnown(at) && chain.size() < kLongestChain) {
    chain.push_back(at);
    const State next = commonNext(at);
    nexts.push_back(next);
    if (next == GrammarStates::kDead || next == at) {
      break;
    }
    at = next;
  }
  // If kLongestChain ends the chain, Absorption::length counts no characters
  // beyond the end of the chain. Such a length is correct, but shorter than it
  // could be, above all for the last states of the chain. The results for the
  // second half of the chain are therefore discarded below.
  const size_t kept = chain.size() < kLongestChain || isKnown(at)
                          ? chain.size()
                          : kLongestChain / 2;
  for (size_t i = chain.size(); i-- > 0;) {
    const State next = nexts[i];
    Absorption found{0, 0, 0, false};
    if (next != GrammarStates::kDead) {
      bool allShared = true;
      for (uint32_t index = 0; index < classBit.size(); ++index) {
        bool leadsThere = states.step(chain[i], index) == next;
        allShared &= leadsThere || classBit[index] != kSharedBit;
        if (leadsThere && classBit[index] != kSharedBit) {
          found.classes |= bitOf(index);
        }
      }
      found.classes |= allShared ? uint64_t{1} << kSharedBit : 0;
      found.length = 1;
      if (next == chain[i]) {
        found.length = kAnyLength;
      } else if (isKnown(next) &&
                 (found.classes & ~absorptions[next].classes) == 0) {
        found.length = std::min(absorptions[next].length + 1, kAnyLength);
        found.isMost = absorptions[next].isMost;
      } else {
        found.isMost = !allowsAny(next, found.classes);
      }
    }
    if (chain[i] >= absorptions.size()) {
      absorptions.resize(chain[i] + size_t{1});
    }
    absorptions[chain[i]] = found;
  }
  const Absorption result = absorptions[state];
  for (size_t i = kept; i < chain.size(); ++i) {
    absorptions[chain[i]].length = kUnknownLength;
  }
  return result;
}

bool GrammarMatcher::allowsAny(State state, uint64_t bits) {
  for (uint32_t index = 0; index < classBit.size(); ++index) {
    if ((bits & bitOf(index)) != 0 &&
        states.step(state, index) != GrammarStates::kDead) {
      return true;
    }
  }
  return false;
}

bool GrammarMatcher::allowsPartial(State state, uint32_t kind) {
  return std::ranges::any_of(partialClasses[kind], [&](uint32_t index) {
    return states.step(state, index) != GrammarStates::kDead;
  });
}

void GrammarMatcher::addRanks(uint32_t begin, uint32_t end) {
  if (begin == end) {
    return;
  }
  if (!ranges.empty() && ranges.back().second == begin) {
    ranges.back().second = end;
  } else {
    ranges.emplace_back(begin, end);
  }
}

/// Adds to `ranges` those ranks in [begin, end) whose tokens have at most
/// `length` characters.
void GrammarMatcher::addShortRanks(uint32_t begin, uint32_t end,
                                   uint32_t length) {
  const std::vector<uint16_t> &lengths = trie.lengthsByRank();
  for (uint32_t rank = begin; rank < end; ++rank) {
    if (lengths[rank] <= length) {
      addRanks(rank, rank + 1);
    }
  }
}

void GrammarMatcher::walk(State from, TokenMask &mask) {
  const std::vector<TokenTrie::Node> &nodes = trie.nodes();
  ranges.clear();
  path[0] = from;
  auto end = static_cast<uint32_t>(nodes.size());
  for (uint32_t i = 1; i < end;) {
    const TokenTrie::Node &node = nodes[i];
    State above = path[node.depth - 1];
    if (node.isPartial) {
      if (allowsPartial(above, nodeClasses[i].edge)) {
        addRanks(node.firstRank, trie.endOfOwnRanks(i));
      }
      ++i;
      continue;
    }
    State next = states.step(above, nodeClasses[i].edge);
    if (next == GrammarStates::kDead) {
      i = node.end;
      continue;
    }
    if (node.end - i > 4) {
      const Absorption absorption = absorptionOf(next, node.end - i);
      const bool isInClasses =
          (nodeClasses[i].usedBelow & ~absorption.classes) == 0;
      if (isInClasses && node.height <= absorption.length) {
        addRanks(node.firstRank, trie.endOfRanks(i));
        i = node.end;
        continue;
      }
      if (isInClasses && absorption.isMost) {
        addShortRanks(node.firstRank, trie.endOfRanks(i),
                      node.depth + absorption.length);
        i = node.end;
        continue;
      }
    }
    addRanks(node.firstRank, trie.endOfOwnRanks(i));
    path[node.depth] = next;
    ++i;
  }
  const std::vector<int32_t> &ids = trie.idsByRank();
  size_t count = 0;
  for (auto [first, last] : ranges) {
    count += last - first;
  }
  if (count <= ids.size() / 2) {
    for (auto [first, last] : ranges) {
      for (uint32_t rank = first; rank < last; ++rank) {
        mask.add(ids[rank]);
      }
    }
    return;
  }
  // Most tokens are allowed, so it is faster to remove the others.
  mask = everyText;
  const auto remove = [&](size_t first, size_t last) {
    for (size_t rank = first; rank < last; ++rank) {
      mask.remove(ids[rank]);
    }
  };
  size_t begin = 0;
  for (auto [first, last] : ranges) {
    remove(begin, first);
    begin = last;
  }
  remove(begin, ids.size());
}

const TokenMask &GrammarMatcher::maskOf(State state) {
  auto known = masks.find(state);
  if (known != masks.end()) {
    return known->second;
  }
  if (masks.size() >= kMostMasks) {
    masks.clear();
  }
  TokenMask &mask = masks.try_emplace(state, trie.size()).first->second;
  walk(state, mask);
  for (const GrammarStates::TokenChoice &choice : states.tokenChoices(state)) {
    bool hadIt = choice.id < trie.size() && mask.contains(choice.id);
    if (choice.others) {
      for (int32_t id = 0; id < trie.size(); ++id) {
        if (id != choice.id) {
          mask.add(id);
        }
      }
      if (choice.id < trie.size() && !hadIt) {
        mask.remove(choice.id);
      }
    } else if (choice.id < trie.size()) {
      mask.add(choice.id);
    }
  }
  for (int32_t id : endTokens) {
    if (states.isComplete(state)) {
      mask.add(id);
    } else {
      mask.remove(id);
    }
  }
  return mask;
}

GrammarMatcher::State GrammarMatcher::after(State from, std::string_view bytes,
                                            std::string &rest) {
  const CharacterClasses &classes = states.grammar().classes;
  rest.clear();
  while (!bytes.empty() && from != GrammarStates::kDead) {
    Utf8Step step = decodeUtf8(bytes);
    if (step.kind == Utf8Step::Ill) {
      return GrammarStates::kDead;
    }
    if (step.kind == Utf8Step::Unfinished) {
      rest = bytes;
      for (uint32_t index : classes.inRange(completionsOf(bytes))) {
        if (states.step(from, index) != GrammarStates::kDead) {
          return from;
        }
      }
      return GrammarStates::kDead;
    }
    from = states.step(from, classes.of(step.codePoint));
    bytes.remove_prefix(step.length);
  }
  return from;
}

void GrammarMatcher::addContinuations(TokenMask &mask) {
  std::string rest;
  for (int32_t id : trie.continuations()) {
    if (after(cut, pending + std::string(trie.piece(id)), rest) !=
        GrammarStates::kDead) {
      mask.add(id);
    }
  }
}

Result<const TokenMask *> GrammarMatcher::allowed() {
  const TokenMask *mask = &maskOf(current);
  if (cut != GrammarStates::kDead) {
    united = *mask;
    addContinuations(united);
    mask = &united;
  }
  AIR_RETURN_IF_ERROR(states.status());
  return mask;
}

void GrammarMatcher::keepStates() {
  State kept[] = {current, cut};
  if (states.compact(kept)) {
    current = kept[0];
    cut = kept[1];
    masks.clear();
    absorptions.clear();
  }
}

bool GrammarMatcher::isEnd(int32_t id) const {
  return std::ranges::find(endTokens, id) != endTokens.end();
}

GrammarMatcher::State GrammarMatcher::followText(std::string_view bytes,
                                                 std::string &rest) {
  return cut != GrammarStates::kDead
             ? after(cut, pending + std::string(bytes), rest)
             : after(current, bytes, rest);
}

GrammarMatcher::Next GrammarMatcher::follow(int32_t id) {
  Next next;
  next.asToken = states.stepToken(current, id);
  std::string_view piece = trie.piece(id);
  // allowed() leaves out the pieces that are not in the trie.
  if (piece.empty() || piece.size() > TokenTrie::kLongestPiece) {
    return next;
  }
  // A piece that begins inside a character can only continue `cut`, because
  // `current` is not inside a character.
  bool continues = (static_cast<uint8_t>(piece[0]) & 0xc0U) == 0x80;
  if (continues && cut != GrammarStates::kDead) {
    next.asText = after(cut, pending + std::string(piece), next.rest);
  } else if (!continues) {
    next.asText = after(current, piece, next.rest);
  }
  return next;
}

bool GrammarMatcher::allows(int32_t id) {
  if (id < 0 || id >= trie.size() || !states.status().isOk()) {
    return false;
  }
  if (isEnd(id)) {
    return isComplete();
  }
  Next next = follow(id);
  return next.asToken != GrammarStates::kDead ||
         next.asText != GrammarStates::kDead;
}

bool GrammarMatcher::allowsText(std::string_view bytes) {
  std::string rest;
  return followText(bytes, rest) != GrammarStates::kDead;
}

Status GrammarMatcher::accept(int32_t id) {
  if (id < 0 || id >= trie.size()) {
    return usageError("grammar: token " + std::to_string(id) +
                      " does not exist; the vocabulary has the tokens 0 to " +
                      std::to_string(trie.size() - 1));
  }
  if (isEnd(id)) {
    return isComplete() ? Status::ok()
                        : usageError("grammar: token " + std::to_string(id) +
                                     " ends a text that is not complete");
  }
  Next next = follow(id);
  AIR_RETURN_IF_ERROR(states.status());
  if (next.asToken == GrammarStates::kDead &&
      next.asText == GrammarStates::kDead) {
    return usageError("grammar: token " + std::to_string(id) + " (" +
                      inQuotes(trie.piece(id)) +
                      ") is not allowed after the text accepted so far");
  }
  bool isCut = !next.rest.empty();
  current = isCut ? next.asToken : states.unite(next.asToken, next.asText);
  cut = isCut ? next.asText : GrammarStates::kDead;
  pending = std::move(next.rest);
  keepStates();
  return states.status();
}

Status GrammarMatcher::acceptText(std::string_view bytes) {
  std::string rest;
  State next = followText(bytes, rest);
  AIR_RETURN_IF_ERROR(states.status());
  if (next == GrammarStates::kDead) {
    return usageError("grammar: the text " + inQuotes(bytes) +
                      " is not allowed after the text accepted so far");
  }
  current = rest.empty() ? next : GrammarStates::kDead;
  cut = rest.empty() ? GrammarStates::kDead : next;
  pending = std::move(rest);
  keepStates();
  return states.status();
}

void GrammarMatcher::reset() {
  current = states.start();
  cut = GrammarStates::kDead;
  pending.clear();
}

} // namespace air::rt
