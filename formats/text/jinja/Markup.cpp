//===- Markup.cpp - text that is marked as HTML -----------------*- C++ -*-===//
#include "formats/text/jinja/Interpreter.h"

namespace air::jinja {

Text escapeHtml(TextView text) {
  Text out;
  out.reserve(text.size());
  for (char32_t c : text) {
    char32_t code = codeOf(c);
    const char *name = code == U'&'    ? "&amp;"
                       : code == U'<'  ? "&lt;"
                       : code == U'>'  ? "&gt;"
                       : code == U'"'  ? "&#34;"
                       : code == U'\'' ? "&#39;"
                                       : nullptr;
    if (name != nullptr) {
      out += toText(name, (c & kTaint) != 0);
    } else {
      out += c;
    }
  }
  return out;
}

Text escaped(Interpreter &in, const Value &value) {
  Text text = in.textOf(value);
  return value.isMarkup() ? text : escapeHtml(text);
}

static Value toMarkup(const Value &value) {
  if (value.is(Kind::String)) {
    return Value::markup(value.text());
  }
  if (value.is(Kind::List) || value.is(Kind::Tuple)) {
    std::vector<Value> items;
    for (const Value &item : value.items()) {
      items.push_back(toMarkup(item));
    }
    return Value::sequence(value.kind(), std::move(items));
  }
  return value;
}

Value callMarkupMethod(Interpreter &in, const Value &self,
                       const std::string &name, const Arguments &arguments) {
  if (name == "format") {
    return formatBraces(in, self.text(), arguments, true);
  }
  Arguments given = arguments;
  auto escape = [&](Value &value) {
    if (value.is(Kind::String)) {
      value = in.string(escaped(in, value));
    }
  };
  if (name == "join" && given.positional.size() == 1) {
    std::vector<Value> items;
    if (!in.iterate(given.positional[0], items)) {
      return {};
    }
    for (Value &item : items) {
      item = in.string(escaped(in, item));
    }
    given.positional[0] = Value::sequence(Kind::List, std::move(items));
  }
  if (name == "replace" || name == "ljust" || name == "rjust" ||
      name == "center") {
    if (given.positional.size() > 1) {
      escape(given.positional[1]);
    }
    for (auto &[parameter, value] : given.named) {
      if (parameter == "new" || parameter == "fillchar") {
        escape(value);
      }
    }
  }
  if (in.failed()) {
    return {};
  }
  Value plain = in.string(self.text());
  Value result = callStringMethod(in, plain, name, given);
  return in.failed() ? Value() : toMarkup(result);
}

} // namespace air::jinja
