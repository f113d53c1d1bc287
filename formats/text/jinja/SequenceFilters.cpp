//===- SequenceFilters.cpp - filters of sequences ---------------*- C++ -*-===//
#include "formats/text/jinja/FilterTable.h"
#include "formats/text/jinja/MergeSort.h"

#include <algorithm>

namespace air::jinja {

Value foldCase(const Value &value) {
  if (!value.is(Kind::String)) {
    return value;
  }
  return Value::string(lowered(value.text()));
}

Value atPath(Interpreter &in, const Value &value, const Value &path) {
  if (!path.is(Kind::String)) {
    return in.item(value, path);
  }
  Value result = value;
  TextView rest = path.text();
  while (!in.failed()) {
    TextView part = rest.substr(0, findText(rest, U"."));
    std::string name = toUtf8(part);
    bool isIndex = !name.empty() && name.size() < 10 &&
                   name.find_first_not_of("0123456789") == std::string::npos;
    result = in.item(result, isIndex ? Value::integer(std::stoll(name))
                                     : Value::string(name));
    if (part.size() == rest.size()) {
      return result;
    }
    rest.remove_prefix(part.size() + 1);
  }
  return {};
}

namespace {

using Items = std::vector<Value>;

Value list(Items items) {
  return Value::sequence(Kind::List, std::move(items));
}

Value generator(Items items) {
  return Value::sequence(Kind::Generator, std::move(items));
}

/// Returns what a filter compares: the item, or its attribute at `path`. Case
/// matters only if `caseSensitive` is true.
Value sortKey(Interpreter &in, const Value &item, const Value &path,
              bool caseSensitive) {
  Value key = path.is(Kind::None) ? item : atPath(in, item, path);
  return caseSensitive ? key : foldCase(key);
}

/// Returns the indices of the keys in sorted order. The sort is stable, as in
/// Python. If two keys cannot be compared, reports a failure, and the order has
/// no meaning.
std::vector<size_t> sorted(Interpreter &in,
                           const std::vector<std::vector<Value>> &keys,
                           bool reverse) {
  std::vector<size_t> order(keys.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  mergeSort(order, [&](size_t a, size_t b) {
    if (reverse) {
      std::swap(a, b);
    }
    for (size_t i = 0; i < keys[a].size() && !in.failed(); ++i) {
      const Value &x = keys[a][i];
      const Value &y = keys[b][i];
      if (!in.charge(std::min(weightOf(x), weightOf(y))) || !equal(x, y)) {
        return !in.failed() && compare(in, "<", x, y);
      }
    }
    return false;
  });
  return order;
}

Value sort(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'sort'", given,
              {"reverse", "case_sensitive", "attribute"});
  Items items;
  if (!in.iterate(value, items)) {
    return {};
  }
  // The attribute may be one string of several paths with commas between them.
  Items paths;
  Value attribute = bound.get(2, Value::none());
  if (attribute.is(Kind::String)) {
    TextView rest = attribute.text();
    while (true) {
      TextView part = rest.substr(0, findText(rest, U","));
      paths.push_back(Value::string(Text(part)));
      if (part.size() == rest.size()) {
        break;
      }
      rest.remove_prefix(part.size() + 1);
    }
  } else {
    paths.push_back(attribute);
  }
  std::vector<std::vector<Value>> keys(items.size());
  for (size_t i = 0; i < items.size() && !in.failed(); ++i) {
    for (const Value &path : paths) {
      keys[i].push_back(sortKey(in, items[i], path, bound.flag(1, false)));
    }
  }
  Items result;
  for (size_t i : sorted(in, keys, bound.flag(0, false))) {
    result.push_back(items[i]);
  }
  return list(std::move(result));
}

Value dictSort(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'dictsort'", given,
              {"case_sensitive", "by", "reverse"});
  Text by = bound.text(1, U"key");
  bool byValue = equalText(by, "value");
  if (!byValue && !equalText(by, "key")) {
    return in.fail("filter 'dictsort': 'by' must be 'key' or 'value'");
  }
  if (!value.is(Kind::Dict)) {
    return value.is(Kind::Undefined)
               ? in.failUndefined(value)
               : in.fail(std::string("filter 'dictsort' needs a dictionary, "
                                     "not a value of type ") +
                         typeName(value));
  }
  const auto &entries = value.as<DictObject>().entries;
  std::vector<std::vector<Value>> keys;
  for (const auto &[key, each] : entries) {
    keys.push_back({sortKey(in, byValue ? each : key, Value::none(),
                            bound.flag(0, false))});
  }
  Items result;
  for (size_t i : sorted(in, keys, bound.flag(2, false))) {
    result.push_back(
        Value::sequence(Kind::Tuple, {entries[i].first, entries[i].second}));
  }
  return list(std::move(result));
}

Value length(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'length'", given, {});
  if (value.is(Kind::String)) {
    return Value::integer(static_cast<int64_t>(value.text().size()));
  }
  if (value.isSequence()) {
    return Value::integer(static_cast<int64_t>(value.items().size()));
  }
  if (value.is(Kind::Dict)) {
    return Value::integer(
        static_cast<int64_t>(value.as<DictObject>().entries.size()));
  }
  return value.is(Kind::Undefined) ? Value::integer(0)
         : value.is(Kind::Loop) ? in.attribute(value, "length")
                                : in.fail(std::string("a value of type ") +
                                          typeName(value) + " has no length");
}

Value first(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'first'", given, {});
  if (value.is(Kind::Generator)) {
    auto &source = value.as<SequenceObject>();
    return source.next < source.items.size()
               ? source.items[source.next++]
               : Value::undefined("an empty sequence has no first item");
  }
  if (value.is(Kind::String) && !value.text().empty()) {
    return Value::string(value.text().substr(0, 1));
  }
  Items items;
  in.iterate(value, items);
  return items.empty() ? Value::undefined("an empty sequence has no first item")
                       : items[0];
}

Value last(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'last'", given, {});
  if (value.is(Kind::Generator)) {
    return in.fail("a generator has no last item; use 'list' before 'last'");
  }
  if (value.isMarkup() && !value.text().empty()) {
    return Value::markup(Text(1, value.text().back()));
  }
  Items items;
  in.iterate(value, items);
  return items.empty() ? Value::undefined("an empty sequence has no last item")
                       : items.back();
}

Value listFilter(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'list'", given, {});
  Items items;
  in.iterate(value, items);
  return list(std::move(items));
}

Value itemsFilter(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'items'", given, {});
  if (value.is(Kind::Undefined)) {
    return generator({});
  }
  if (!value.is(Kind::Dict)) {
    return in.fail(std::string("filter 'items' needs a dictionary, not a "
                               "value of type ") +
                   typeName(value));
  }
  Items items;
  for (const auto &[key, each] : value.as<DictObject>().entries) {
    items.push_back(Value::sequence(Kind::Tuple, {key, each}));
  }
  in.charge(items.size());
  return generator(std::move(items));
}

Value join(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'join'", given, {"d", "attribute"});
  Text separator = in.textOf(bound.get(0, Value::string("")));
  Value path = bound.get(1, Value::none());
  Items items;
  if (!in.iterate(value, items)) {
    return {};
  }
  Text out;
  for (size_t i = 0; i < items.size() && !in.failed(); ++i) {
    out += i == 0 ? Text() : separator;
    out +=
        in.textOf(path.is(Kind::None) ? items[i] : atPath(in, items[i], path));
    in.charge(separator.size());
    if (out.size() > kMaxWeight) {
      break;
    }
  }
  return in.string(std::move(out));
}

Value reverse(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'reverse'", given, {});
  if (value.is(Kind::String)) {
    return in.string(Text(value.text().rbegin(), value.text().rend()),
                     value.isMarkup());
  }
  Items items;
  in.iterate(value, items);
  std::reverse(items.begin(), items.end());
  return generator(std::move(items));
}

Value extreme(Interpreter &in, const Value &value, const Arguments &given,
              const char *name, const char *op) {
  Bound bound(in, std::string("filter '") + name + "'", given,
              {"case_sensitive", "attribute"});
  Items items;
  in.iterate(value, items);
  if (items.empty() || in.failed()) {
    return Value::undefined(
        "an empty sequence has no smallest or largest item");
  }
  Value path = bound.get(1, Value::none());
  size_t best = 0;
  Value key = sortKey(in, items[0], path, bound.flag(0, false));
  for (size_t i = 1; i < items.size() && !in.failed(); ++i) {
    Value other = sortKey(in, items[i], path, bound.flag(0, false));
    if (!in.failed() && compare(in, op, other, key)) {
      best = i;
      key = other;
    }
  }
  return items[best];
}

Value minFilter(Interpreter &in, const Value &value, const Arguments &given) {
  return extreme(in, value, given, "min", "<");
}

Value maxFilter(Interpreter &in, const Value &value, const Arguments &given) {
  return extreme(in, value, given, "max", ">");
}

Value sum(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'sum'", given, {"attribute", "start"});
  Items items;
  in.iterate(value, items);
  Value path = bound.get(0, Value::none());
  Value total = bound.get(1, Value::integer(0));
  for (const Value &item : items) {
    Value each = path.is(Kind::None) ? item : atPath(in, item, path);
    if (in.failed()) {
      return {};
    }
    total = binary(in, "+", total, each);
  }
  return total;
}

Value unique(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'unique'", given, {"case_sensitive", "attribute"});
  Items items;
  in.iterate(value, items);
  std::map<Text, bool> seen;
  Items result;
  for (const Value &item : items) {
    Value key =
        sortKey(in, item, bound.get(1, Value::none()), bound.flag(0, false));
    in.charge(weightOf(key));
    std::optional<Text> name = keyOf(key);
    if (!name || in.failed()) {
      return in.fail(std::string("filter 'unique' cannot compare values of "
                                 "type ") +
                     typeName(key));
    }
    if (seen.try_emplace(*std::move(name), true).second) {
      result.push_back(item);
    }
  }
  return generator(std::move(result));
}

/// The largest number of items in a batch (filter 'batch'), and the largest
/// number of slices (filter 'slice'). This limits the memory that a result
/// takes, which may be large even for a short input: `fill_with` extends the
/// last batch to its full size, and each slice is a list.
constexpr int64_t kMostParts = 1'000'000;

Value batch(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'batch'", given, {"linecount", "fill_with"});
  bound.need(0);
  int64_t size = bound.integer(0, 1);
  Items items;
  in.iterate(value, items);
  if (size < 1 || size > kMostParts) {
    return in.fail("filter 'batch': the number of items in a batch is " +
                   std::to_string(size) + "; it must be 1 to " +
                   std::to_string(kMostParts));
  }
  Items result;
  Items part;
  for (const Value &item : items) {
    if (part.size() == static_cast<size_t>(size)) {
      result.push_back(list(std::exchange(part, {})));
    }
    part.push_back(item);
  }
  if (!part.empty()) {
    Value fill = bound.get(1, Value::none());
    while (!fill.is(Kind::None) && part.size() < static_cast<size_t>(size)) {
      part.push_back(fill);
    }
    result.push_back(list(std::move(part)));
  }
  return generator(std::move(result));
}

Value slice(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'slice'", given, {"slices", "fill_with"});
  bound.need(0);
  int64_t count = bound.integer(0, 1);
  Items items;
  in.iterate(value, items);
  if (count < 1 || count > kMostParts || in.failed()) {
    return in.fail("filter 'slice': the number of slices is " +
                   std::to_string(count) + "; it must be 1 to " +
                   std::to_string(kMostParts));
  }
  size_t slices = static_cast<size_t>(count);
  size_t each = items.size() / slices;
  size_t longer = items.size() % slices;
  Value fill = bound.get(1, Value::none());
  Items result;
  size_t at = 0;
  for (size_t i = 0; i < slices; ++i) {
    size_t end = at + each + (i < longer ? 1 : 0);
    Items part(items.begin() + static_cast<ptrdiff_t>(at),
               items.begin() + static_cast<ptrdiff_t>(end));
    at = end;
    if (!fill.is(Kind::None) && i >= longer && longer != 0) {
      part.push_back(fill);
    }
    result.push_back(list(std::move(part)));
  }
  in.charge(16 * slices);
  return generator(std::move(result));
}

Value attr(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'attr'", given, {"name"});
  std::string name = toUtf8(bound.text(0, {}));
  // Unlike `value.name`, `value|attr('name')` does not look up `name` among the
  // keys of a dictionary.
  return value.is(Kind::Dict) && !hasMethod(value, name)
             ? Value::undefined("'dict' has no attribute '" + name + "'")
             : in.attribute(value, name);
}

Value groupBy(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'groupby'", given,
              {"attribute", "default", "case_sensitive"});
  Value path = bound.need(0);
  Items items;
  in.iterate(value, items);
  std::vector<std::vector<Value>> keys;
  Items names;
  for (const Value &item : items) {
    Value name = atPath(in, item, path);
    if (name.is(Kind::Undefined) && bound.has(1)) {
      name = bound.get(1, {});
    }
    names.push_back(name);
    keys.push_back({bound.flag(2, false) ? name : foldCase(name)});
  }
  Items result;
  std::vector<size_t> order = sorted(in, keys, false);
  for (size_t i = 0; i < order.size() && !in.failed();) {
    size_t begin = i;
    Items group;
    while (i < order.size() &&
           equal(keys[order[i]][0], keys[order[begin]][0])) {
      group.push_back(items[order[i++]]);
    }
    result.push_back(Value::sequence(
        Kind::Tuple, {names[order[begin]], list(std::move(group))}));
  }
  return list(std::move(result));
}

/// Returns all arguments except the first `used`, for another filter or test.
Arguments rest(const Arguments &given, size_t used) {
  Arguments result;
  result.named = given.named;
  if (given.positional.size() > used) {
    result.positional.assign(given.positional.begin() +
                                 static_cast<ptrdiff_t>(used),
                             given.positional.end());
  }
  return result;
}

Value mapFilter(Interpreter &in, const Value &value, const Arguments &given) {
  Items items;
  // A false value, such as none, counts as an empty list here and in `choose`.
  if (isTrue(value) && !in.iterate(value, items)) {
    return {};
  }
  Items result;
  if (given.positional.empty()) {
    Bound bound(in, "filter 'map'", given, {"attribute", "default"});
    Value path = bound.need(0);
    for (const Value &item : items) {
      Value each = atPath(in, item, path);
      result.push_back(
          each.is(Kind::Undefined) && bound.has(1) ? bound.get(1, {}) : each);
    }
    return generator(std::move(result));
  }
  std::string name = toUtf8(str(given.positional[0]));
  Arguments others = rest(given, 1);
  for (const Value &item : items) {
    if (in.failed()) {
      return {};
    }
    result.push_back(applyFilter(in, name, item, others));
  }
  return generator(std::move(result));
}

Value choose(Interpreter &in, const Value &value, const Arguments &given,
             bool byAttribute, bool wanted) {
  Items items;
  if (isTrue(value) && !in.iterate(value, items)) {
    return {};
  }
  size_t used = byAttribute ? 1 : 0;
  if (byAttribute && given.positional.empty()) {
    return in.fail("filters 'selectattr' and 'rejectattr' need the name of an "
                   "attribute");
  }
  bool hasTest = given.positional.size() > used;
  std::string name = hasTest ? toUtf8(str(given.positional[used])) : "";
  Arguments others = rest(given, used + 1);
  Items result;
  for (const Value &item : items) {
    Value subject = byAttribute ? atPath(in, item, given.positional[0]) : item;
    if (in.failed() || !in.charge(0)) {
      return {};
    }
    bool holds =
        hasTest ? applyTest(in, name, subject, others) : isTrue(subject);
    if (holds == wanted) {
      result.push_back(item);
    }
  }
  return generator(std::move(result));
}

Value select(Interpreter &in, const Value &value, const Arguments &given) {
  return choose(in, value, given, false, true);
}
Value reject(Interpreter &in, const Value &value, const Arguments &given) {
  return choose(in, value, given, false, false);
}
Value selectAttr(Interpreter &in, const Value &value, const Arguments &given) {
  return choose(in, value, given, true, true);
}
Value rejectAttr(Interpreter &in, const Value &value, const Arguments &given) {
  return choose(in, value, given, true, false);
}

constexpr FilterRow kRows[] = {
    {"attr", attr},
    {"batch", batch},
    {"count", length},
    {"dictsort", dictSort},
    {"first", first},
    {"groupby", groupBy},
    {"items", itemsFilter},
    {"join", join},
    {"last", last},
    {"length", length},
    {"list", listFilter},
    {"map", mapFilter},
    {"max", maxFilter},
    {"min", minFilter},
    {"reject", reject},
    {"rejectattr", rejectAttr},
    {"reverse", reverse},
    {"select", select},
    {"selectattr", selectAttr},
    {"slice", slice},
    {"sort", sort},
    {"sum", sum},
    {"unique", unique},
};

FilterFunction findFilter(std::string_view name) {
  for (std::span<const FilterRow> rows : {textFilters(), sequenceFilters()}) {
    for (const FilterRow &row : rows) {
      if (row.name == name) {
        return row.apply;
      }
    }
  }
  return nullptr;
}

} // namespace

std::span<const FilterRow> sequenceFilters() { return kRows; }

bool isFilter(std::string_view name) { return findFilter(name) != nullptr; }

Value applyFilter(Interpreter &in, const std::string &name, const Value &value,
                  const Arguments &arguments) {
  FilterFunction apply = findFilter(name);
  if (apply == nullptr) {
    return in.fail("the filter '" + name + "' is not supported",
                   ErrorCode::Unsupported);
  }
  if (!in.charge(0)) {
    return {};
  }
  Value result = apply(in, value, arguments);
  return in.failed() ? Value() : result;
}

} // namespace air::jinja
