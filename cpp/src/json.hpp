// A tree of JSON, its reader and its writer.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bundle::detail {

struct Json;
struct Member;

/// A number that is no integer within ±(2^53 - 1), as it was spelt.
struct Number {
  std::string text;
};

using Array = std::vector<Json>;
/// The members of an object, ascending by the bytes of their keys, no key twice.
using Object = std::vector<Member>;

struct Json {
  std::variant<std::monostate, bool, std::int64_t, Number, std::string, Array, Object> value;

  bool is_null() const { return std::holds_alternative<std::monostate>(value); }
  const bool* boolean() const { return std::get_if<bool>(&value); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&value); }
  const Number* number() const { return std::get_if<Number>(&value); }
  const std::string* text() const { return std::get_if<std::string>(&value); }
  const Array* array() const { return std::get_if<Array>(&value); }
  const Object* object() const { return std::get_if<Object>(&value); }

  /// The member of an object; null where this is no object or has no such member.
  const Json* find(std::string_view key) const;

  // For trees that were checked before: what is asked for is there and of that type.
  const Json& at(std::string_view key) const;
  const std::string& str(std::string_view key) const;
  std::int64_t num(std::string_view key) const;
  /// The elements of an array member; none where it is missing.
  const Array& list(std::string_view key) const;

  /// The type in the words of JSON Schema; `number` for what is no integer.
  const char* type() const;
};

struct Member {
  std::string key;
  Json value;
};

/// The bytes are not one JSON text; the message says why.
class Malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Parsed {
  Json tree;
  /// The first way in which the text is not canonical (FORMAT.md section 2); empty where it is.
  std::string deviation;
};

/// Reads one JSON text by the grammar of RFC 8259. Of a key that stands twice the last value is kept; half
/// of a surrogate pair becomes the three bytes that UTF-8 would have for it.
/// Throws Malformed, also where more than `max_depth` arrays and objects are open at once.
Parsed parse_json(std::string_view text, int max_depth, bool ascii_keys);

/// Reads what people and programs write: any spelling, duplicate keys, numbers of any form, up to 64 levels
/// deep. Returns null where it is no JSON text.
Json parse_lenient(std::string_view text);

/// Returns the text of a tree in one line, UTF-8; bytes that are none become U+FFFD.
std::string dump(const Json& tree);

/// Returns an object; keys in any order, none twice.
Json make_object(std::vector<Member> members);

}  // namespace bundle::detail
