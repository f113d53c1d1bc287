//===- SchemaDocument.cpp - the JSON of a schema, with places ---*- C++ -*-===//
#include "runtime/text/grammar/SchemaDocument.h"

#include "formats/support/Printable.h"
#include "formats/text/jinja/Json.h"

#include <set>
#include <vector>

namespace air::rt {
namespace {

std::string escaped(const std::string &key) {
  std::string text;
  for (char c : key) {
    text += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return text;
}

/// Decodes the escapes %XX of a URI. Returns false if the text is malformed.
bool unescape(std::string_view text, std::string &plain) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    int value = 0;
    for (size_t j = i + 1; j < i + 3; ++j) {
      char c = j < text.size() ? text[j] : '?';
      char lower = static_cast<char>(c | 0x20);
      bool isLetter = lower >= 'a' && lower <= 'f';
      if (!isLetter && (c < '0' || c > '9')) {
        return false;
      }
      value = value * 16 + (isLetter ? lower - 'a' + 10 : c - '0');
    }
    plain += static_cast<char>(value);
    i += 2;
  }
  return true;
}

} // namespace

Result<SchemaDocument> SchemaDocument::parse(std::string_view text) {
  // This reader is used only for its errors: it names the place of a mistake,
  // and limits the nesting. The reader below accepts whatever it accepts.
  if (Status valid = jinja::fromJson(text, false).status(); !valid.isOk()) {
    return valid.withContext("the schema");
  }
  std::vector<std::set<std::string>> keys(jinja::kMostJsonLevels + 2);
  std::string repeated;
  auto onEvent = [&](int depth, SchemaJson::parse_event_t event,
                     SchemaJson &parsed) {
    using Event = SchemaJson::parse_event_t;
    if (event == Event::object_start) {
      keys[static_cast<size_t>(depth) + 1].clear();
    } else if (event == Event::key) {
      const auto &key = *parsed.get_ptr<const std::string *>();
      if (!keys[static_cast<size_t>(depth)].insert(key).second) {
        repeated = key;
      }
    }
    return true;
  };
  SchemaDocument document;
  document.json = std::make_unique<SchemaJson>(
      SchemaJson::parse(text, onEvent, /*allow_exceptions=*/false));
  if (!repeated.empty()) {
    return corruptError("the schema has an object with the key " +
                        inQuotes(repeated) + " twice");
  }
  std::vector<const SchemaJson *> open = {document.json.get()};
  document.pointers[open.back()] = "";
  while (!open.empty()) {
    const SchemaJson *value = open.back();
    open.pop_back();
    const std::string prefix = document.pointers[value] + "/";
    auto add = [&](const SchemaJson &child, const std::string &name) {
      document.pointers[&child] = prefix + name;
      open.push_back(&child);
    };
    if (value->is_object()) {
      for (const auto &[key, child] : value->items()) {
        add(child, escaped(key));
      }
    } else if (value->is_array()) {
      for (size_t i = 0; i < value->size(); ++i) {
        add((*value)[i], std::to_string(i));
      }
    }
  }
  return document;
}

std::string SchemaDocument::placeOf(const SchemaJson &value) const {
  auto found = pointers.find(&value);
  return found == pointers.end() || found->second.empty()
             ? "the schema"
             : "the schema at " + inQuotes(found->second);
}

Result<const SchemaJson *>
SchemaDocument::resolve(const SchemaJson &reference) const {
  if (!reference.is_string()) {
    return corrupt(reference, "must be a string");
  }
  const std::string text = *reference.get_ptr<const std::string *>();
  if (!text.starts_with('#') || (text.size() > 1 && text[1] != '/')) {
    return unsupported(reference, "refers to " + inQuotes(text) +
                                      "; only '#' and '#/...' are supported");
  }
  std::string path;
  if (!unescape(std::string_view(text).substr(1), path)) {
    return corrupt(reference, inQuotes(text) + " is malformed");
  }
  const SchemaJson *at = json.get();
  while (!path.empty()) {
    size_t end = std::min(path.find('/', 1), path.size());
    std::string name;
    for (size_t i = 1; i < end; ++i) {
      bool isEscape = path[i] == '~' && i + 1 < end &&
                      (path[i + 1] == '0' || path[i + 1] == '1');
      name += isEscape ? (path[i + 1] == '0' ? '~' : '/') : path[i];
      i += isEscape ? 1 : 0;
    }
    path.erase(0, end);
    const SchemaJson *next = nullptr;
    if (at->is_object() && at->contains(name)) {
      next = &(*at)[name];
    } else if (at->is_array() && !name.empty() && name.size() < 9 &&
               name.find_first_not_of("0123456789") == std::string::npos &&
               std::stoul(name) < at->size()) {
      next = &(*at)[std::stoul(name)];
    }
    if (next == nullptr) {
      return corrupt(reference, "there is nothing at " + inQuotes(text));
    }
    at = next;
  }
  return at;
}

} // namespace air::rt
