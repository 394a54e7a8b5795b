// The structure of a manifest (check M5): a walk driven by spec/bundle.schema.json.
//
// The words of JSON Schema that the walk knows are those the schema uses; `pattern` is left to other
// validators, because `format` says the same and counts bytes.
#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "bundle/error.hpp"
#include "manifest_data.hpp"
#include "spec.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool hex(char c) { return digit(c) || (c >= 'a' && c <= 'f'); }

bool is_text(std::string_view text, std::size_t shortest, std::size_t longest) {
  auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7F'; };
  return text.size() >= shortest && text.size() <= longest && std::none_of(text.begin(), text.end(), control);
}

bool is_hex(std::string_view text, std::size_t count) {
  return text.size() == count && std::all_of(text.begin(), text.end(), hex);
}

bool is_identifier(std::string_view text) {
  auto inside = [](char c) { return digit(c) || letter(c) || c == '.' || c == '_' || c == '-'; };
  return !text.empty() && text.size() <= 64 && (digit(text[0]) || letter(text[0])) &&
         std::all_of(text.begin(), text.end(), inside);
}

bool is_version(std::string_view text) {
  for (int part = 0; part < 3; ++part) {
    const std::size_t count = std::min(text.find('.'), text.size());
    const std::string_view number = text.substr(0, count);
    const bool plain =
        !number.empty() && number.size() <= 9 && std::all_of(number.begin(), number.end(), digit);
    if (!plain || (number[0] == '0' && number.size() > 1) || (part == 2) != (count == text.size())) {
      return false;
    }
    text.remove_prefix(part == 2 ? count : count + 1);
  }
  return text.empty();
}

bool has_format(const std::string& text, const std::string& format) {
  static const std::map<std::string, std::function<bool(const std::string&)>> formats = {
      {"float32-bits", [](const std::string& t) { return is_hex(t, 8) && t <= "7f7fffff"; }},
      {"identifier", is_identifier},
      {"name", [](const std::string& t) { return is_text(t, 1, 1024); }},
      {"sha256", [](const std::string& t) { return is_hex(t, 64); }},
      {"text", [](const std::string& t) { return is_text(t, 0, 4096); }},
      {"version", is_version},
  };
  return formats.at(format)(text);
}

std::string step(const std::string& pointer, const std::string& key) {
  std::string out = pointer + "/";
  for (const char c : key) {
    if (c == '~' || c == '/') {
      out += c == '~' ? "~0" : "~1";
    } else {
      out += c;
    }
  }
  return out;
}

void walk(const Json& tree, const Json& rule, const std::string& pointer);

void check_type(const Json& tree, const Json& schema, const std::string& pointer) {
  const Json* expected = schema.find("type");
  if (expected == nullptr) {
    return;
  }
  const std::string word = tree.type();
  if (expected->text() != nullptr) {
    if (*expected->text() != word) {
      throw Error("manifest_field_type", pointer, *expected->text(), word);
    }
    return;
  }
  const Array& words = *expected->array();
  if (std::none_of(words.begin(), words.end(), [&](const Json& one) { return *one.text() == word; })) {
    throw Error("manifest_field_type", pointer, dump(*expected), word);
  }
}

void check_range(std::int64_t value, const Json& schema, const char* least, const char* most,
                 const std::string& pointer) {
  const Json* low = schema.find(least);
  const Json* high = schema.find(most);
  if (low != nullptr && value < *low->integer()) {
    throw Error("manifest_field_value", pointer, "at least " + dump(*low), std::to_string(value));
  }
  if (high != nullptr && value > *high->integer()) {
    throw Error("manifest_field_value", pointer, "at most " + dump(*high), std::to_string(value));
  }
}

void check_string(const std::string& text, const Json& schema, const std::string& pointer) {
  if (const Json* words = schema.find("enum")) {
    const Array& all = *words->array();
    if (std::none_of(all.begin(), all.end(), [&](const Json& one) { return *one.text() == text; })) {
      throw Error("manifest_field_value", pointer, "one of " + dump(*words), quoted(text));
    }
  }
  const Json* format = schema.find("format");
  if (format != nullptr && !has_format(text, *format->text())) {
    throw Error("manifest_field_value", pointer, "the form `" + *format->text() + "`", quoted(text));
  }
}

void check_keys(const Json& tree, const Json& schema, const std::string& pointer) {
  const Json* known = schema.find("properties");
  const Json* others = schema.find("additionalProperties");
  if (others != nullptr && others->boolean() != nullptr && !*others->boolean()) {
    for (const Member& member : *tree.object()) {
      if (known == nullptr || known->find(member.key) == nullptr) {
        throw Error("manifest_field_unknown", step(pointer, member.key), "a key of the format",
                    quoted(member.key));
      }
    }
  }
  std::string missing;
  for (const Json& key : schema.list("required")) {
    if (tree.find(*key.text()) == nullptr && (missing.empty() || *key.text() < missing)) {
      missing = *key.text();
    }
  }
  if (!missing.empty()) {
    throw Error("manifest_field_missing", step(pointer, missing), "the key", "nothing");
  }
}

void walk_object(const Json& tree, const Json& schema, const std::string& pointer) {
  check_range(static_cast<std::int64_t>(tree.object()->size()), schema, "minProperties", "maxProperties",
              pointer);
  check_keys(tree, schema, pointer);
  const Json* known = schema.find("properties");
  const Json* others = schema.find("additionalProperties");
  for (const Member& member : *tree.object()) {
    const Json* own = known == nullptr ? nullptr : known->find(member.key);
    const Json* rule = own == nullptr ? others : own;
    if (rule != nullptr && rule->object() != nullptr) {
      walk(member.value, *rule, step(pointer, member.key));
    }
  }
}

void walk_array(const Array& items, const Json& schema, const std::string& pointer) {
  check_range(static_cast<std::int64_t>(items.size()), schema, "minItems", "maxItems", pointer);
  const Json* rule = schema.find("items");
  for (std::size_t i = 0; rule != nullptr && i < items.size(); ++i) {
    walk(items[i], *rule, pointer + "/" + std::to_string(i));
  }
}

void walk(const Json& tree, const Json& rule, const std::string& pointer) {
  const Json* reference = rule.find("$ref");
  const std::string_view prefix = "#/$defs/";
  const Json& schema = reference == nullptr
                           ? rule
                           : table("bundle.schema").at("$defs").at(reference->text()->substr(prefix.size()));
  check_type(tree, schema, pointer);
  if (tree.object() != nullptr) {
    walk_object(tree, schema, pointer);
  } else if (const Array* items = tree.array()) {
    walk_array(*items, schema, pointer);
  } else if (const std::string* text = tree.text()) {
    check_string(*text, schema, pointer);
  } else if (const std::int64_t* integer = tree.integer()) {
    check_range(*integer, schema, "minimum", "maximum", pointer);
  }
}

}  // namespace

void check_schema(const Json& tree) { walk(tree, table("bundle.schema"), ""); }

}  // namespace bundle::detail
