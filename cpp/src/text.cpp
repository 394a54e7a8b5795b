#include "text.hpp"

#include <algorithm>

namespace bundle::detail {

namespace {

unsigned byte_at(std::string_view text, std::size_t index) {
  return index < text.size() ? static_cast<unsigned char>(text[index]) : 0;
}

bool continues(std::string_view text, std::size_t index) { return (byte_at(text, index) & 0xC0) == 0x80; }

int digit_of(char character) {
  if (character >= '0' && character <= '9') {
    return character - '0';
  }
  if (character >= 'a' && character <= 'f') {
    return character - 'a' + 10;
  }
  return character >= 'A' && character <= 'F' ? character - 'A' + 10 : -1;
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  const unsigned first = byte_at(text, 0);
  const unsigned second = byte_at(text, 1);
  if (first < 0x80) {
    return text.empty() ? 0 : 1;
  }
  if (first < 0xE0) {
    return first >= 0xC2 && continues(text, 1) ? 2 : 0;
  }
  if (first < 0xF0) {
    const bool sound = (first != 0xE0 || second >= 0xA0) && (first != 0xED || second < 0xA0);
    return sound && continues(text, 1) && continues(text, 2) ? 3 : 0;
  }
  const bool sound = first <= 0xF4 && (first != 0xF0 || second >= 0x90) && (first != 0xF4 || second < 0x90);
  return sound && continues(text, 1) && continues(text, 2) && continues(text, 3) ? 4 : 0;
}

unsigned surrogate_at(std::string_view text) {
  if (byte_at(text, 0) != 0xED || byte_at(text, 1) < 0xA0 || !continues(text, 1) || !continues(text, 2)) {
    return 0;
  }
  return 0xD000U | (byte_at(text, 1) & 0x3FU) << 6U | (byte_at(text, 2) & 0x3FU);
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

std::string replaced_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    out += length > 0 ? text.substr(0, length) : std::string_view("\xEF\xBF\xBD");
    text.remove_prefix(length > 0 ? length : 1);
  }
  return out;
}

void append_utf8(unsigned code, std::string& out) {
  auto put = [&out](unsigned byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::string to_hex(std::string_view bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char character : bytes) {
    const auto byte = static_cast<unsigned char>(character);
    out += digits[byte >> 4];
    out += digits[byte & 0xF];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) {
    return std::nullopt;
  }
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit_of(text[i]);
    const int low = digit_of(text[i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

bool is_digest(std::string_view text) {
  auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 64 && std::all_of(text.begin(), text.end(), hex);
}

std::string lower_ascii(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

std::array<std::int64_t, 3> version_numbers(std::string_view text) {
  std::array<std::int64_t, 3> numbers{};
  std::size_t count = 0;
  bool inside = false;
  for (const char character : text) {
    const bool digit = character >= '0' && character <= '9';
    if (digit && !inside && ++count > numbers.size()) {
      break;
    }
    // Nine digits are all that a manifest may hold; a library's version that has more is cut, not wrapped.
    if (digit && numbers[count - 1] < 1'000'000'000) {
      numbers[count - 1] = numbers[count - 1] * 10 + (character - '0');
    }
    inside = digit;
  }
  return numbers;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool begins_with(std::string_view text, std::string_view begin) {
  return text.substr(0, begin.size()) == begin;
}

std::string quoted(std::string_view name) {
  constexpr std::size_t longest = 80;
  const std::string cut =
      name.size() > longest ? std::string(name.substr(0, longest - 3)) + "..." : std::string(name);
  return "`" + cut + "`";
}

std::string quoted_path(std::string_view path) { return "`" + std::string(path) + "`"; }

}  // namespace bundle::detail
