// Text: UTF-8, hexadecimal digits, versions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bundle::detail {

/// The length of the UTF-8 sequence at the beginning, 0 where there is none (overlong, surrogate, cut).
std::size_t utf8_length(std::string_view text);
/// The half of a surrogate pair that three bytes at the beginning would stand for, else 0.
unsigned surrogate_at(std::string_view text);
bool is_utf8(std::string_view text);
/// Returns the text with each byte that is no part of UTF-8 replaced by U+FFFD.
std::string replaced_utf8(std::string_view text);
void append_utf8(unsigned code, std::string& out);

std::string to_hex(std::string_view bytes);
/// Returns the bytes of an even number of hex digits of either case.
std::optional<std::string> from_hex(std::string_view text);

/// Whether a text is a SHA-256: 64 lower-case hex digits.
bool is_digest(std::string_view text);
/// Returns the text with the letters of ASCII in lower case.
std::string lower_ascii(std::string text);

/// The first three numbers of a version; `1.31.1+cpu` gives 1, 31, 1.
std::array<std::int64_t, 3> version_numbers(std::string_view text);

bool ends_with(std::string_view text, std::string_view end);
bool begins_with(std::string_view text, std::string_view begin);
/// Quotes a name for a message, cut to a length that a terminal can bear.
std::string quoted(std::string_view name);
/// Quotes a path of the caller's, whole: a person has to find the place.
std::string quoted_path(std::string_view path);

}  // namespace bundle::detail
