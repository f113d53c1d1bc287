//===- StringMethods.cpp - the methods of strings ---------------*- C++ -*-===//
#include "formats/text/jinja/Interpreter.h"

#include <algorithm>

namespace air::jinja {
namespace {

using Items = std::vector<Value>;
using Method = Value (*)(Interpreter &in, const Text &self,
                         const Arguments &arguments);

Value list(Items items) {
  return Value::sequence(Kind::List, std::move(items));
}
Value part(TextView text) { return Value::string(Text(text)); }

// Methods that change the case of letters.

Value mapCase(Interpreter &in, const Text &self, const Arguments &given,
              const char *name, void (*map)(char32_t, Text &)) {
  Bound bound(in, name, given, {});
  Text out;
  for (char32_t c : self) {
    map(c, out);
  }
  return in.string(std::move(out));
}

Value upper(Interpreter &in, const Text &self, const Arguments &given) {
  return mapCase(in, self, given, "str.upper", appendUpper);
}
Value lower(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.lower", given, {});
  return in.string(lowered(self));
}
Value casefold(Interpreter &in, const Text &self, const Arguments &given) {
  return mapCase(in, self, given, "str.casefold", appendFolded);
}
Value swapcase(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.swapcase", given, {});
  Text out;
  for (size_t i = 0; i < self.size(); ++i) {
    if (isUpper(self[i])) {
      appendLower(self, i, out);
    } else if (isLower(self[i])) {
      appendUpper(self[i], out);
    } else {
      out += self[i];
    }
  }
  return in.string(std::move(out));
}

Value capitalize(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.capitalize", given, {});
  Text out;
  for (size_t i = 0; i < self.size(); ++i) {
    if (i == 0) {
      appendTitle(self[i], out);
    } else {
      appendLower(self, i, out);
    }
  }
  return in.string(std::move(out));
}

Value title(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.title", given, {});
  Text out;
  bool inside = false;
  for (size_t i = 0; i < self.size(); ++i) {
    if (inside) {
      appendLower(self, i, out);
    } else {
      appendTitle(self[i], out);
    }
    inside = isCased(self[i]);
  }
  return in.string(std::move(out));
}

// Methods that test the characters of a string.

Value all(Interpreter &in, const Text &self, const Arguments &given,
          const char *name, bool (*holds)(char32_t)) {
  Bound bound(in, name, given, {});
  return Value::boolean(!self.empty() &&
                        std::all_of(self.begin(), self.end(), holds));
}

Value isalpha(Interpreter &in, const Text &self, const Arguments &given) {
  return all(in, self, given, "str.isalpha", isAlpha);
}
Value isdigit(Interpreter &in, const Text &self, const Arguments &given) {
  return all(in, self, given, "str.isdigit", isDigit);
}
Value isdecimal(Interpreter &in, const Text &self, const Arguments &given) {
  return all(in, self, given, "str.isdecimal", isDecimal);
}
Value isnumeric(Interpreter &in, const Text &self, const Arguments &given) {
  return all(in, self, given, "str.isnumeric", isNumeric);
}
Value isspace(Interpreter &in, const Text &self, const Arguments &given) {
  return all(in, self, given, "str.isspace", isSpace);
}
Value isalnum(Interpreter &in, const Text &self, const Arguments &given) {
  return all(in, self, given, "str.isalnum",
             [](char32_t c) { return isAlpha(c) || isNumeric(c); });
}
Value isascii(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.isascii", given, {});
  return Value::boolean(std::all_of(
      self.begin(), self.end(), [](char32_t c) { return codeOf(c) < 0x80; }));
}
Value isupper(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.isupper", given, {});
  return Value::boolean(isUpperText(self));
}
Value islower(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.islower", given, {});
  return Value::boolean(isLowerText(self));
}
Value istitle(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.istitle", given, {});
  bool inside = false;
  bool any = false;
  for (char32_t c : self) {
    if (isCased(c) && isLower(c) != inside) {
      return Value::boolean(false);
    }
    inside = isCased(c);
    any = any || inside;
  }
  return Value::boolean(any);
}

// Methods that strip a string or divide it into parts.

Value stripWith(Interpreter &in, const Text &self, const Arguments &given,
                const char *name, bool left, bool right) {
  Bound bound(in, name, given, {"chars"});
  Text set = bound.text(0, {});
  TextView view = set;
  bool hasSet = bound.has(0) && !bound.get(0, {}).is(Kind::None);
  in.charge(self.size() * (1 + set.size() / 16));
  return in.failed() ? Value()
                     : part(air::jinja::strip(self, left, right,
                                              hasSet ? &view : nullptr));
}

Value strip(Interpreter &in, const Text &self, const Arguments &given) {
  return stripWith(in, self, given, "str.strip", true, true);
}
Value lstrip(Interpreter &in, const Text &self, const Arguments &given) {
  return stripWith(in, self, given, "str.lstrip", true, false);
}
Value rstrip(Interpreter &in, const Text &self, const Arguments &given) {
  return stripWith(in, self, given, "str.rstrip", false, true);
}

/// Splits at white space, at most `limit` times if that is not negative.
Items splitWords(TextView text, int64_t limit) {
  Items words;
  while (true) {
    text = air::jinja::strip(text, true, false);
    if (text.empty()) {
      return words;
    }
    if (limit >= 0 && words.size() == static_cast<size_t>(limit)) {
      words.push_back(part(text));
      return words;
    }
    size_t end = 0;
    while (end < text.size() && !isSpace(text[end])) {
      ++end;
    }
    words.push_back(part(text.substr(0, end)));
    text.remove_prefix(end);
  }
}

Items splitWordsFromEnd(TextView text, int64_t limit) {
  Items words;
  while (true) {
    text = air::jinja::strip(text, false, true);
    if (text.empty()) {
      break;
    }
    if (limit >= 0 && words.size() == static_cast<size_t>(limit)) {
      words.push_back(part(text));
      break;
    }
    size_t begin = text.size();
    while (begin > 0 && !isSpace(text[begin - 1])) {
      --begin;
    }
    words.push_back(part(text.substr(begin)));
    text = text.substr(0, begin);
  }
  std::reverse(words.begin(), words.end());
  return words;
}

Value splitAt(Interpreter &in, const Text &self, const Arguments &given,
              bool fromEnd) {
  const char *name = fromEnd ? "str.rsplit" : "str.split";
  Bound bound(in, name, given, {"sep", "maxsplit"});
  int64_t limit = bound.integer(1, -1);
  Value separator = bound.get(0, Value::none());
  in.charge(8 * self.size());
  if (separator.is(Kind::None)) {
    return in.failed() ? Value()
                       : list(fromEnd ? splitWordsFromEnd(self, limit)
                                      : splitWords(self, limit));
  }
  Text text = bound.text(0, {});
  if (in.failed()) {
    return {};
  }
  if (text.empty()) {
    return in.fail(std::string(name) + ": the separator is empty");
  }
  Items parts;
  TextView rest = self;
  while (limit < 0 || parts.size() < static_cast<size_t>(limit)) {
    size_t found = fromEnd ? findLastText(rest, text) : findText(rest, text);
    if (found == TextView::npos) {
      break;
    }
    parts.push_back(part(fromEnd ? rest.substr(found + text.size())
                                 : rest.substr(0, found)));
    rest = fromEnd ? rest.substr(0, found) : rest.substr(found + text.size());
  }
  parts.push_back(part(rest));
  if (fromEnd) {
    std::reverse(parts.begin(), parts.end());
  }
  return list(std::move(parts));
}

Value split(Interpreter &in, const Text &self, const Arguments &given) {
  return splitAt(in, self, given, false);
}
Value rsplit(Interpreter &in, const Text &self, const Arguments &given) {
  return splitAt(in, self, given, true);
}

Value splitlines(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.splitlines", given, {"keepends"});
  bool keeps = bound.flag(0, false);
  in.charge(8 * self.size());
  Items lines;
  for (size_t at = 0; at < self.size() && !in.failed();) {
    size_t end = at;
    auto breaks = [](char32_t marked) {
      char32_t c = codeOf(marked);
      return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 ||
             c == 0x2028 || c == 0x2029;
    };
    while (end < self.size() && !breaks(self[end])) {
      ++end;
    }
    size_t next = end;
    if (next < self.size()) {
      next += codeOf(self[next]) == U'\r' && next + 1 < self.size() &&
                      codeOf(self[next + 1]) == U'\n'
                  ? 2
                  : 1;
    }
    lines.push_back(part(TextView(self).substr(at, (keeps ? next : end) - at)));
    at = next;
  }
  return list(std::move(lines));
}

Value partitionAt(Interpreter &in, const Text &self, const Arguments &given,
                  bool fromEnd) {
  const std::string name = fromEnd ? "str.rpartition" : "str.partition";
  Bound bound(in, name, given, {"sep"});
  bound.need(0);
  Text text = bound.text(0, {});
  if (text.empty()) {
    return in.fail(name + ": the separator is empty");
  }
  size_t found = fromEnd ? findLastText(self, text) : findText(self, text);
  if (found == Text::npos) {
    Value none = Value::string("");
    return Value::sequence(Kind::Tuple, fromEnd
                                            ? Items{none, none, part(self)}
                                            : Items{part(self), none, none});
  }
  TextView view = self;
  return Value::sequence(Kind::Tuple, {part(view.substr(0, found)),
                                       part(view.substr(found, text.size())),
                                       part(view.substr(found + text.size()))});
}

Value partition(Interpreter &in, const Text &self, const Arguments &given) {
  return partitionAt(in, self, given, false);
}
Value rpartition(Interpreter &in, const Text &self, const Arguments &given) {
  return partitionAt(in, self, given, true);
}

// Methods that look for a part of a string.

/// The part of a string between two optional bounds, clamped as in Python.
struct Range {
  size_t begin;
  size_t end;
};

Range rangeOf(Bound &bound, size_t size) {
  auto clamp = [&](int64_t index) {
    auto length = static_cast<int64_t>(size);
    return std::clamp<int64_t>(
        index < 0 ? std::max(index, -length) + length : index, 0, length);
  };
  int64_t begin = bound.integer(1, 0);
  bool isBeyond = begin > static_cast<int64_t>(size);
  int64_t end = clamp(bound.integer(2, static_cast<int64_t>(size)));
  return {isBeyond ? size + 1 : static_cast<size_t>(clamp(begin)),
          static_cast<size_t>(end)};
}

Value findWith(Interpreter &in, const Text &self, const Arguments &given,
               const char *name, bool fromEnd, bool mustExist) {
  Bound bound(in, name, given, {"sub", "start", "end"});
  bound.need(0);
  Text text = bound.text(0, {});
  auto [begin, end] = rangeOf(bound, self.size());
  in.charge(self.size());
  if (in.failed()) {
    return {};
  }
  size_t found = Text::npos;
  if (begin <= end) {
    TextView view = TextView(self).substr(begin, end - begin);
    found = fromEnd ? findLastText(view, text) : findText(view, text);
  }
  if (found == Text::npos && mustExist) {
    return in.fail(std::string(name) + ": the text was not found");
  }
  return Value::integer(
      found == Text::npos ? -1 : static_cast<int64_t>(found + begin));
}

Value find(Interpreter &in, const Text &self, const Arguments &given) {
  return findWith(in, self, given, "str.find", false, false);
}
Value rfind(Interpreter &in, const Text &self, const Arguments &given) {
  return findWith(in, self, given, "str.rfind", true, false);
}
Value index(Interpreter &in, const Text &self, const Arguments &given) {
  return findWith(in, self, given, "str.index", false, true);
}
Value rindex(Interpreter &in, const Text &self, const Arguments &given) {
  return findWith(in, self, given, "str.rindex", true, true);
}

Value count(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.count", given, {"sub", "start", "end"});
  bound.need(0);
  Text text = bound.text(0, {});
  auto [begin, end] = rangeOf(bound, self.size());
  in.charge(self.size());
  if (begin > end || in.failed()) {
    return Value::integer(0);
  }
  TextView view = TextView(self).substr(begin, end - begin);
  if (text.empty()) {
    return Value::integer(static_cast<int64_t>(view.size()) + 1);
  }
  int64_t result = 0;
  for (size_t at = findText(view, text); at != TextView::npos;
       at = findText(view, text, at + text.size())) {
    ++result;
  }
  return Value::integer(result);
}

Value affix(Interpreter &in, const Text &self, const Arguments &given,
            bool atEnd) {
  const char *name = atEnd ? "str.endswith" : "str.startswith";
  Bound bound(in, name, given, {"prefix", "start", "end"});
  Value wanted = bound.need(0);
  auto [begin, end] = rangeOf(bound, self.size());
  if (in.failed()) {
    return {};
  }
  Items choices = wanted.is(Kind::Tuple) ? wanted.items() : Items{wanted};
  bool found = false;
  for (const Value &each : choices) {
    if (!each.is(Kind::String)) {
      return in.fail(std::string(name) + " needs a str, not a value of type " +
                     typeName(each));
    }
    const Text &text = each.text();
    found = found ||
            (begin <= end && end - begin >= text.size() &&
             equalText(TextView(self).substr(atEnd ? end - text.size() : begin,
                                             text.size()),
                       text));
  }
  return Value::boolean(found);
}

Value startswith(Interpreter &in, const Text &self, const Arguments &given) {
  return affix(in, self, given, false);
}
Value endswith(Interpreter &in, const Text &self, const Arguments &given) {
  return affix(in, self, given, true);
}

Value removeprefix(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.removeprefix", given, {"prefix"});
  bound.need(0);
  Text text = bound.text(0, {});
  TextView view = self;
  return part(equalText(view.substr(0, text.size()), text)
                  ? view.substr(text.size())
                  : view);
}

Value removesuffix(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.removesuffix", given, {"suffix"});
  bound.need(0);
  Text text = bound.text(0, {});
  TextView view = self;
  bool ends = view.size() >= text.size() &&
              equalText(view.substr(view.size() - text.size()), text);
  return part(ends ? view.substr(0, view.size() - text.size()) : view);
}

// Methods that replace parts of strings, or join, pad or format them.

Value replace(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.replace", given, {"old", "new", "count"});
  bound.need(0);
  bound.need(1);
  Text from = bound.text(0, {});
  Text to = bound.text(1, {});
  int64_t limit = bound.integer(2, -1);
  in.charge(self.size());
  Text out;
  size_t at = 0;
  // An empty text is found before each character and at the end.
  for (int64_t done = 0; (limit < 0 || done < limit) && !in.failed(); ++done) {
    size_t found = findText(self, from, at);
    if (found == Text::npos || out.size() > kMaxWeight) {
      break;
    }
    out.append(self, at, found - at);
    out += to;
    in.charge(to.size());
    at = found + from.size();
    if (from.empty()) {
      if (at == self.size()) {
        break;
      }
      out += self[at++];
    }
  }
  out.append(self, at, Text::npos);
  return in.string(std::move(out));
}

Value join(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.join", given, {"iterable"});
  Items items;
  if (!in.iterate(bound.need(0), items)) {
    return {};
  }
  Text out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is(Kind::String)) {
      return in.fail("str.join: item " + std::to_string(i) + " is of type " +
                     typeName(items[i]) + ", but must be a str");
    }
    out += i == 0 ? Text() : self;
    out += items[i].text();
    if (!in.charge(self.size() + items[i].text().size()) ||
        out.size() > kMaxWeight) {
      break;
    }
  }
  return in.string(std::move(out));
}

Value justify(Interpreter &in, const Text &self, const Arguments &given,
              char how) {
  Bound bound(in, "str.ljust, rjust, center or zfill", given,
              {"width", "fillchar"});
  bound.need(0);
  auto width = static_cast<size_t>(
      std::clamp<int64_t>(bound.integer(0, 0), 0, kMaxWeight));
  Text fill = bound.text(1, how == '0' ? U"0" : U" ");
  if (fill.size() != 1 && !in.failed()) {
    return in.fail("'fillchar' must be a str of 1 character, but has " +
                   std::to_string(fill.size()));
  }
  size_t missing = width > self.size() ? width - self.size() : 0;
  if (missing == 0 || !in.charge(missing)) {
    return part(self);
  }
  bool hasSign = how == '0' && !self.empty() &&
                 (codeOf(self[0]) == U'-' || codeOf(self[0]) == U'+');
  // As in Python, a text that cannot be centred exactly gets the extra
  // character on the left if `width` is odd, and on the right if it is even.
  size_t before = how == 'l'   ? 0
                  : how == 'c' ? missing / 2 + (missing & width & 1)
                               : missing;
  Text out = hasSign ? self.substr(0, 1) : Text();
  out.append(before, fill[0]);
  out.append(self, hasSign ? 1 : 0, Text::npos);
  out.append(missing - before, fill[0]);
  return in.string(std::move(out));
}

Value center(Interpreter &in, const Text &self, const Arguments &given) {
  return justify(in, self, given, 'c');
}
Value ljust(Interpreter &in, const Text &self, const Arguments &given) {
  return justify(in, self, given, 'l');
}
Value rjust(Interpreter &in, const Text &self, const Arguments &given) {
  return justify(in, self, given, 'r');
}
Value zfill(Interpreter &in, const Text &self, const Arguments &given) {
  return justify(in, self, given, '0');
}

Value expandtabs(Interpreter &in, const Text &self, const Arguments &given) {
  Bound bound(in, "str.expandtabs", given, {"tabsize"});
  auto size =
      static_cast<size_t>(std::clamp<int64_t>(bound.integer(0, 8), 0, 1000));
  Text out;
  size_t column = 0;
  for (char32_t c : self) {
    if (codeOf(c) != U'\t') {
      out += c;
      column = codeOf(c) == U'\n' || codeOf(c) == U'\r' ? 0 : column + 1;
    } else if (size != 0) {
      size_t spaces = size - column % size;
      out.append(spaces, U' ' | (c & kTaint));
      column += spaces;
      if (!in.charge(spaces)) {
        return {};
      }
    }
  }
  return in.string(std::move(out));
}

Value format(Interpreter &in, const Text &self, const Arguments &given) {
  return formatBraces(in, self, given, false);
}

struct Row {
  std::string_view name;
  Method call;
};

constexpr Row kRows[] = {
    {"capitalize", capitalize},
    {"casefold", casefold},
    {"center", center},
    {"count", count},
    {"endswith", endswith},
    {"expandtabs", expandtabs},
    {"find", find},
    {"format", format},
    {"index", index},
    {"isalnum", isalnum},
    {"isalpha", isalpha},
    {"isascii", isascii},
    {"isdecimal", isdecimal},
    {"isdigit", isdigit},
    {"islower", islower},
    {"isnumeric", isnumeric},
    {"isspace", isspace},
    {"istitle", istitle},
    {"isupper", isupper},
    {"join", join},
    {"ljust", ljust},
    {"lower", lower},
    {"lstrip", lstrip},
    {"partition", partition},
    {"removeprefix", removeprefix},
    {"removesuffix", removesuffix},
    {"replace", replace},
    {"rfind", rfind},
    {"rindex", rindex},
    {"rjust", rjust},
    {"rpartition", rpartition},
    {"rsplit", rsplit},
    {"rstrip", rstrip},
    {"split", split},
    {"splitlines", splitlines},
    {"startswith", startswith},
    {"strip", strip},
    {"swapcase", swapcase},
    {"title", title},
    {"upper", upper},
    {"zfill", zfill},
};

const Row *findRow(std::string_view name) {
  for (const Row &row : kRows) {
    if (row.name == name) {
      return &row;
    }
  }
  return nullptr;
}

} // namespace

bool hasStringMethod(std::string_view name) {
  static constexpr std::string_view kOthers[] = {"encode",       "format_map",
                                                 "isidentifier", "isprintable",
                                                 "maketrans",    "translate"};
  return findRow(name) != nullptr ||
         std::find(std::begin(kOthers), std::end(kOthers), name) !=
             std::end(kOthers);
}

Value callStringMethod(Interpreter &in, const Value &self,
                       const std::string &name, const Arguments &arguments) {
  const Row *row = findRow(name);
  if (row == nullptr) {
    return in.fail("the method '" + name + "' of a str is not supported",
                   ErrorCode::Unsupported);
  }
  if (!in.charge(self.text().size())) {
    return {};
  }
  if (self.isMarkup()) {
    return callMarkupMethod(in, self, name, arguments);
  }
  Value result = row->call(in, self.text(), arguments);
  return in.failed() ? Value() : result;
}

} // namespace air::jinja
