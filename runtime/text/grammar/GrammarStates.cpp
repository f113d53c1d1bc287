//===- GrammarStates.cpp - where a text can be in a grammar -----*- C++ -*-===//
#include "runtime/text/grammar/GrammarStates.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <iterator>

namespace air::rt {
namespace {

constexpr uint32_t kEmptySlot = UINT32_MAX;
/// If a state has at most this number of nodes, its next state for one class is
/// also stored for all classes that must lead to the same state. In states with
/// more nodes, finding these classes takes longer than computing their next
/// states.
constexpr uint32_t kFewNodes = 16;

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

/// Inserts `index` into a hash table that has room for it.
void insert(std::vector<uint32_t> &table, uint64_t hash, uint32_t index) {
  size_t slot = hash & (table.size() - 1);
  while (table[slot] != kEmptySlot) {
    slot = (slot + 1) & (table.size() - 1);
  }
  table[slot] = index;
}

} // namespace

GrammarStates::GrammarStates(std::shared_ptr<const Grammar> grammar,
                             Limits chosen)
    : source(std::move(grammar)), limits(chosen),
      callers(source->rules.size(), kUnknown) {
  reset();
  uint32_t below = setOfOne(kBottom);
  std::vector<Item> none;
  bool ends = source->rules[source->root].isNullable;
  call(source->root, 0, below);
  first = toState(none, ends);
}

void GrammarStates::reset() {
  nodes = {{0, 0}};
  sets = {{0, 0}};
  members.clear();
  rowBlocks.clear();
  rowCount = 0;
  made.clear();
  nodeTable.assign(1024, kEmptySlot);
  setTable.assign(1024, kEmptySlot);
}

Status GrammarStates::status() const {
  if (tooAmbiguous) {
    return doesNotFitError("grammar: the text can be read in more than " +
                           countOf(limits.setSize, "way") +
                           "; write a grammar that is less ambiguous");
  }
  if (tooLarge) {
    return doesNotFitError("grammar: the text is nested so deeply that it "
                           "takes more than " +
                           std::to_string(limits.bytes >> 20) + " MiB");
  }
  return Status::ok();
}

GrammarStates::State *GrammarStates::addRow(State state) {
  const size_t classes = source->classes.count();
  if (rowCount % kRowsOfBlock == 0) {
    rowBlocks.emplace_back(kRowsOfBlock * classes, kUnknown);
  }
  sets[state].row = static_cast<uint32_t>(rowCount++);
  return rowAt(sets[state].row);
}

uint32_t GrammarStates::nodeOf(uint32_t position, uint32_t parents) {
  auto hashOf = [&](const Node &node) {
    return mix(mix(1, node.position), node.parents);
  };
  uint64_t hash = hashOf({position, parents});
  for (size_t slot = hash;; ++slot) {
    uint32_t index = nodeTable[slot & (nodeTable.size() - 1)];
    if (index == kEmptySlot) {
      break;
    }
    if (nodes[index].position == position && nodes[index].parents == parents) {
      return index;
    }
  }
  auto index = static_cast<uint32_t>(nodes.size());
  nodes.push_back({position, parents});
  made.push_back(2 * index);
  if (nodes.size() * 2 > nodeTable.size()) {
    nodeTable.assign(nodeTable.size() * 2, kEmptySlot);
    for (uint32_t i = 1; i < nodes.size(); ++i) {
      insert(nodeTable, hashOf(nodes[i]), i);
    }
  } else {
    insert(nodeTable, hash, index);
  }
  return index;
}

uint32_t GrammarStates::setOf(std::vector<uint32_t> &wanted) {
  if (wanted.empty()) {
    return kDead;
  }
  if (wanted.size() > limits.setSize) {
    tooAmbiguous = true;
    return kDead;
  }
  auto hashOf = [](std::span<const uint32_t> all) {
    uint64_t hash = all.size();
    for (uint32_t node : all) {
      hash = mix(hash, node);
    }
    return hash;
  };
  uint64_t hash = hashOf(wanted);
  for (size_t slot = hash;; ++slot) {
    uint32_t index = setTable[slot & (setTable.size() - 1)];
    if (index == kEmptySlot) {
      break;
    }
    if (std::ranges::equal(membersOf(index), wanted)) {
      return index;
    }
  }
  auto index = static_cast<uint32_t>(sets.size());
  sets.push_back({static_cast<uint32_t>(members.size()),
                  static_cast<uint32_t>(wanted.size())});
  members.insert(members.end(), wanted.begin(), wanted.end());
  made.push_back(2 * index + 1);
  if (sets.size() * 2 > setTable.size()) {
    setTable.assign(setTable.size() * 2, kEmptySlot);
    for (uint32_t i = 1; i < sets.size(); ++i) {
      insert(setTable, hashOf(membersOf(i)), i);
    }
  } else {
    insert(setTable, hash, index);
  }
  return index;
}

uint32_t GrammarStates::setOfOne(uint32_t node) {
  scratch.assign(1, node);
  return setOf(scratch);
}

uint32_t GrammarStates::uniteSets(uint32_t a, uint32_t b) {
  if (a == b || b == kDead) {
    return a;
  }
  if (a == kDead) {
    return b;
  }
  scratch.clear();
  std::ranges::set_union(membersOf(a), membersOf(b),
                         std::back_inserter(scratch));
  return setOf(scratch);
}

/// Replaces each item at the end of a rule by the items after the calls of this
/// rule. For each item before a rule that may match the empty text, also adds
/// the item after this rule. Sets `ends` if the root rule is at its end.
void GrammarStates::returnFrom(std::vector<Item> &items, bool &ends) {
  // After most steps, no item is at the end of a rule or before a rule that may
  // match the empty text, so there is nothing to do.
  const bool stays = std::ranges::none_of(items, [&](const Item &item) {
    const GrammarElement &element = source->elements[item.position];
    return element.kind == GrammarElement::End ||
           (element.kind == GrammarElement::Rule &&
            source->rules[element.value].isNullable);
  });
  if (stays) {
    return;
  }
  std::vector<Item> seen = items;
  std::ranges::sort(seen);
  auto add = [&](Item item) {
    auto place = std::ranges::lower_bound(seen, item);
    if (place == seen.end() || *place != item) {
      seen.insert(place, item);
      items.push_back(item);
    }
  };
  // The loop also visits the items that it appends.
  for (size_t i = 0; i < items.size(); ++i) {
    Item item = items[i];
    const GrammarElement &element = source->elements[item.position];
    if (element.kind == GrammarElement::End) {
      for (uint32_t parent : membersOf(item.parents)) {
        ends |= parent == kBottom;
        if (parent != kBottom) {
          add({nodes[parent].position, nodes[parent].parents});
        }
      }
    } else if (element.kind == GrammarElement::Rule &&
               source->rules[element.value].isNullable) {
      add({item.position + 1, item.parents});
    }
    if (items.size() > 16 * limits.setSize) {
      tooAmbiguous = true;
      return;
    }
  }
  std::erase_if(items, [&](const Item &item) {
    return source->elements[item.position].kind == GrammarElement::End;
  });
}

void GrammarStates::call(uint32_t rule, uint32_t after, uint32_t parents) {
  // A call at the end of a rule returns directly to the callers of this rule,
  // so right recursion needs no stack.
  bool isLast =
      after == 0 || source->elements[after].kind == GrammarElement::End;
  uint32_t returns = isLast ? parents : setOfOne(nodeOf(after, parents));
  if (callers[rule] == kUnknown) {
    callers[rule] = returns;
    toExpand.push_back(rule);
    std::ranges::push_heap(toExpand, std::ranges::greater{},
                           [&](uint32_t r) { return source->rules[r].rank; });
  } else {
    callers[rule] = uniteSets(callers[rule], returns);
  }
}

GrammarStates::State GrammarStates::toState(std::vector<Item> &terminals,
                                            bool ends) {
  // Rules are expanded after all rules that can call them, so that each is
  // expanded once, with all its callers.
  while (!toExpand.empty()) {
    std::ranges::pop_heap(toExpand, std::ranges::greater{},
                          [&](uint32_t r) { return source->rules[r].rank; });
    uint32_t rule = toExpand.back();
    toExpand.pop_back();
    uint32_t parents = callers[rule];
    callers[rule] = kUnknown;
    const GrammarRule &expanded = source->rules[rule];
    for (uint32_t i = 0; i < expanded.alternatives; ++i) {
      uint32_t at = source->alternatives[expanded.firstAlternative + i];
      for (;; ++at) {
        const GrammarElement &element = source->elements[at];
        if (element.kind == GrammarElement::End) {
          break;
        }
        if (element.kind != GrammarElement::Rule) {
          terminals.push_back({at, parents});
          break;
        }
        // All elements before this one can match the empty text. In such a
        // place, GrammarBuilder allows a rule to call itself only if the call
        // is the last element. This call would only expand the rule again for
        // the same callers, so it is skipped.
        if (element.value == rule) {
          break;
        }
        call(element.value, at + 1, parents);
        if (!source->rules[element.value].isNullable) {
          break;
        }
      }
    }
  }
  std::ranges::sort(terminals);
  found.clear();
  if (ends) {
    found.push_back(kBottom);
  }
  for (size_t i = 0; i < terminals.size();) {
    uint32_t position = terminals[i].position;
    uint32_t parents = terminals[i].parents;
    for (++i; i < terminals.size() && terminals[i].position == position; ++i) {
      parents = uniteSets(parents, terminals[i].parents);
    }
    found.push_back(nodeOf(position, parents));
  }
  std::ranges::sort(found);
  State state = setOf(found);
  return status().isOk() ? state : kDead;
}

GrammarStates::State GrammarStates::close(std::vector<Item> &items) {
  bool ends = false;
  returnFrom(items, ends);
  std::ranges::sort(items);
  closed.clear();
  for (size_t i = 0; i < items.size();) {
    uint32_t position = items[i].position;
    uint32_t parents = items[i].parents;
    for (++i; i < items.size() && items[i].position == position; ++i) {
      parents = uniteSets(parents, items[i].parents);
    }
    const GrammarElement &element = source->elements[position];
    if (element.kind == GrammarElement::Rule) {
      call(element.value, position + 1, parents);
    } else {
      closed.push_back({position, parents});
    }
  }
  return toState(closed, ends);
}

GrammarStates::State GrammarStates::computeStep(State from,
                                                uint32_t characterClass) {
  stepped.clear();
  for (uint32_t index : membersOf(from)) {
    const Node &node = nodes[index];
    if (index == kBottom) {
      continue;
    }
    const GrammarElement &element = source->elements[node.position];
    if (element.kind == GrammarElement::Set &&
        source->setHasClass[element.value][characterClass]) {
      stepped.push_back({node.position + 1, node.parents});
    }
  }
  State to = stepped.empty() ? kDead : close(stepped);
  State *row = rowOf(from);
  row[characterClass] = to;
  if (sets[from].size > kFewNodes) {
    return to;
  }
  // Classes that belong to the same sets lead to the same state.
  for (uint32_t other = 0; other < source->classes.count(); ++other) {
    if (row[other] == kUnknown &&
        std::ranges::all_of(membersOf(from), [&](uint32_t index) {
          const GrammarElement &element =
              source->elements[nodes[index].position];
          if (index == kBottom || element.kind != GrammarElement::Set) {
            return true;
          }
          const std::vector<bool> &has = source->setHasClass[element.value];
          return has[other] == has[characterClass];
        })) {
      row[other] = to;
    }
  }
  return to;
}

GrammarStates::State GrammarStates::stepToken(State from, int32_t id) {
  if (!source->hasTokens) {
    return kDead;
  }
  stepped.clear();
  for (uint32_t index : membersOf(from)) {
    const Node &node = nodes[index];
    if (index == kBottom) {
      continue;
    }
    const GrammarElement &element = source->elements[node.position];
    bool isSame = element.value == static_cast<uint32_t>(id);
    if ((element.kind == GrammarElement::Token && isSame) ||
        (element.kind == GrammarElement::NotToken && !isSame)) {
      stepped.push_back({node.position + 1, node.parents});
    }
  }
  return stepped.empty() ? kDead : close(stepped);
}

GrammarStates::State GrammarStates::unite(State a, State b) {
  if (a == b || a == kDead || b == kDead) {
    return a == kDead ? b : a;
  }
  bool ends = isComplete(a) || isComplete(b);
  std::vector<Item> terminals;
  for (State state : {a, b}) {
    for (uint32_t node : membersOf(state)) {
      if (node != kBottom) {
        terminals.push_back({nodes[node].position, nodes[node].parents});
      }
    }
  }
  return toState(terminals, ends);
}

bool GrammarStates::isComplete(State state) const {
  return sets[state].size != 0 && membersOf(state)[0] == kBottom;
}

std::vector<GrammarStates::TokenChoice>
GrammarStates::tokenChoices(State state) const {
  std::vector<TokenChoice> choices;
  for (uint32_t index : membersOf(state)) {
    if (index == kBottom) {
      continue;
    }
    const GrammarElement &element = source->elements[nodes[index].position];
    if (element.kind == GrammarElement::Token ||
        element.kind == GrammarElement::NotToken) {
      choices.push_back({static_cast<int32_t>(element.value),
                         element.kind == GrammarElement::NotToken});
    }
  }
  return choices;
}

size_t GrammarStates::bytes() const {
  return nodes.size() * sizeof(Node) + sets.size() * sizeof(Set) +
         (members.size() + rowCount * source->classes.count() +
          nodeTable.size() + setTable.size() + made.size()) *
             sizeof(uint32_t);
}

bool GrammarStates::compact(std::span<State> kept) {
  if (bytes() <= limits.bytes) {
    return false;
  }
  std::vector<bool> nodeUsed(nodes.size());
  std::vector<bool> setUsed(sets.size());
  std::vector<uint32_t> open;
  auto useSet = [&](uint32_t set) {
    if (!setUsed[set]) {
      setUsed[set] = true;
      open.push_back(set);
    }
  };
  useSet(first);
  for (State state : kept) {
    useSet(state);
  }
  while (!open.empty()) {
    uint32_t set = open.back();
    open.pop_back();
    for (uint32_t node : membersOf(set)) {
      nodeUsed[node] = true;
      useSet(nodes[node].parents);
    }
  }
  std::vector<Node> oldNodes;
  std::vector<Set> oldSets;
  std::vector<uint32_t> oldMembers;
  std::vector<uint32_t> order;
  oldNodes.swap(nodes);
  oldSets.swap(sets);
  oldMembers.swap(members);
  order.swap(made);
  reset();
  std::vector<uint32_t> newNode(oldNodes.size());
  std::vector<uint32_t> newSet(oldSets.size());
  std::vector<uint32_t> renamed;
  for (uint32_t entry : order) {
    uint32_t index = entry / 2;
    if (entry % 2 == 0 && nodeUsed[index]) {
      newNode[index] =
          nodeOf(oldNodes[index].position, newSet[oldNodes[index].parents]);
    } else if (entry % 2 == 1 && setUsed[index]) {
      const Set &old = oldSets[index];
      renamed.clear();
      for (uint32_t i = 0; i < old.size; ++i) {
        renamed.push_back(newNode[oldMembers[old.first + i]]);
      }
      std::ranges::sort(renamed);
      newSet[index] = setOf(renamed);
    }
  }
  first = newSet[first];
  for (State &state : kept) {
    state = newSet[state];
  }
  // At least half of the memory must be left for new states.
  tooLarge = bytes() > limits.bytes / 2;
  return true;
}

} // namespace air::rt
