#include "json.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "text.hpp"

namespace bundle::detail {

const Json* Json::find(std::string_view key) const {
  const Object* members = object();
  if (members == nullptr) {
    return nullptr;
  }
  auto place =
      std::lower_bound(members->begin(), members->end(), key,
                       [](const Member& member, std::string_view wanted) { return member.key < wanted; });
  return place != members->end() && place->key == key ? &place->value : nullptr;
}

const Json& Json::at(std::string_view key) const {
  const Json* found = find(key);
  if (found == nullptr) {
    throw std::logic_error("no member " + std::string(key));
  }
  return *found;
}

const std::string& Json::str(std::string_view key) const { return std::get<std::string>(at(key).value); }

std::int64_t Json::num(std::string_view key) const { return std::get<std::int64_t>(at(key).value); }

const Array& Json::list(std::string_view key) const {
  static const Array none;
  const Json* found = find(key);
  return found == nullptr ? none : std::get<Array>(found->value);
}

const char* Json::type() const {
  static constexpr std::array<const char*, 7> words = {"null",   "boolean", "integer", "number",
                                                       "string", "array",   "object"};
  return words[value.index()];
}

Json make_object(std::vector<Member> members) {
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.key < b.key; });
  return Json{std::move(members)};
}

namespace {

void write_escape(unsigned code, std::string& out) {
  static constexpr std::string_view digits = "0123456789abcdef";
  out += "\\u";
  for (unsigned shift = 16; shift > 0;) {
    shift -= 4;
    out += digits[code >> shift & 0xF];
  }
}

void write_string(std::string_view text, std::string& out) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20) {
      write_escape(byte, out);
      ++i;
    } else if (byte < 0x80) {
      if (byte == '"' || byte == '\\') {
        out += '\\';
      }
      out += text[i++];
    } else if (const std::size_t length = utf8_length(text.substr(i)); length > 0) {
      out += text.substr(i, length);
      i += length;
    } else if (const unsigned half = surrogate_at(text.substr(i)); half > 0) {
      write_escape(half, out);
      i += 3;
    } else {
      write_escape(0xFFFD, out);
      ++i;
    }
  }
  out += '"';
}

void write(const Json& tree, std::string& out);

void write_array(const Array& items, std::string& out) {
  out += '[';
  for (std::size_t i = 0; i < items.size(); ++i) {
    out += i > 0 ? "," : "";
    write(items[i], out);
  }
  out += ']';
}

void write_object(const Object& members, std::string& out) {
  out += '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    out += i > 0 ? "," : "";
    write_string(members[i].key, out);
    out += ':';
    write(members[i].value, out);
  }
  out += '}';
}

void write(const Json& tree, std::string& out) {
  if (const bool* flag = tree.boolean()) {
    out += *flag ? "true" : "false";
  } else if (const std::int64_t* integer = tree.integer()) {
    out += std::to_string(*integer);
  } else if (const Number* number = tree.number()) {
    out += number->text;
  } else if (const std::string* text = tree.text()) {
    write_string(*text, out);
  } else if (const Array* items = tree.array()) {
    write_array(*items, out);
  } else if (const Object* members = tree.object()) {
    write_object(*members, out);
  } else {
    out += "null";
  }
}

}  // namespace

Json parse_lenient(std::string_view text) {
  constexpr int max_depth = 64;
  try {
    return parse_json(text, max_depth, false).tree;
  } catch (const Malformed&) {
    return Json{};
  }
}

std::string dump(const Json& tree) {
  std::string out;
  write(tree, out);
  return out;
}

}  // namespace bundle::detail
