#include "ustar.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "bundle/error.hpp"

namespace bundle::detail::ustar {

namespace {

struct Field {
  std::size_t begin, length;
};

constexpr Field name_field{0, 100}, mode_field{100, 8}, owner_field{108, 16}, size_field{124, 12},
    time_field{136, 12}, checksum_field{148, 8}, kind_field{156, 1}, link_field{157, 100},
    magic_field{257, 8}, owner_name_field{265, 64}, device_field{329, 16}, prefix_field{345, 155};

/// The largest size that eleven octal digits hold.
constexpr std::uint64_t max_size = (std::uint64_t{1} << 33U) - 1;
constexpr std::size_t size_digits = 11;

using std::string_view_literals::operator""sv;
/// What stands behind the magic of POSIX tar is the version.
constexpr std::string_view magic =
    "ustar\0"
    "00"sv;
constexpr std::string_view mode = "0000644"sv;
/// Two numbers in a row: user and group, and those of a device.
constexpr std::string_view two_zeros =
    "0000000\0"
    "0000000"sv;
constexpr std::string_view no_time = "00000000000"sv;

std::string_view at(std::string_view block, Field field) { return block.substr(field.begin, field.length); }

void put(std::string& block, Field field, std::string_view value) {
  std::copy(value.begin(), value.end(), block.begin() + static_cast<std::ptrdiff_t>(field.begin));
}

std::string octal(std::uint64_t number, int digits) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%0*llo", digits, static_cast<unsigned long long>(number));
  return text.data();
}

/// The field of the checksum; its own bytes count as blanks.
std::string checksum(std::string_view block) {
  std::uint64_t sum = checksum_field.length * static_cast<unsigned char>(' ');
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= checksum_field.begin && i < checksum_field.begin + checksum_field.length;
    sum += own ? 0 : static_cast<unsigned char>(block[i]);
  }
  return octal(sum, 6) + std::string("\0 ", 2);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 128; });
}

/// Returns prefix and name: the shortest prefix that leaves a name that fits; none where there is no room.
std::optional<std::pair<std::string_view, std::string_view>> split(std::string_view path) {
  if (path.size() <= name_field.length) {
    return std::make_pair(std::string_view(), path);
  }
  const std::size_t slash = path.find('/', path.size() - name_field.length - 1);
  if (slash == std::string_view::npos || slash == 0 || slash > prefix_field.length ||
      slash == path.size() - 1) {
    return std::nullopt;
  }
  return std::make_pair(path.substr(0, slash), path.substr(slash + 1));
}

std::string path_of(std::string_view block) {
  auto until_zero = [](std::string_view field) { return std::string(field.substr(0, field.find('\0'))); };
  const std::string prefix = until_zero(at(block, prefix_field));
  const std::string name = until_zero(at(block, name_field));
  return prefix.empty() ? name : prefix + "/" + name;
}

std::optional<std::uint64_t> size_of(std::string_view field) {
  std::uint64_t size = 0;
  for (const char digit : field.substr(0, size_digits)) {
    if (digit < '0' || digit > '7') {
      return std::nullopt;
    }
    size = size * 8 + static_cast<std::uint64_t>(digit - '0');
  }
  return field[size_digits] == '\0' ? std::optional(size) : std::nullopt;
}

/// A path in a message, each byte that is no ASCII as U+FFFD.
std::string shown(std::string_view path) {
  std::string text = "`";
  for (const char c : path) {
    text += is_ascii({&c, 1}) ? std::string(1, c) : "\xEF\xBF\xBD";
  }
  return text + "`";
}

std::string kind_in_words(char kind) {
  static constexpr std::array<std::pair<char, const char*>, 12> words = {
      {{'\0', "a regular file of an older tar"},
       {'1', "a hard link"},
       {'2', "a symbolic link"},
       {'3', "a device"},
       {'4', "a device"},
       {'5', "a folder"},
       {'6', "a pipe"},
       {'L', "a long name of GNU tar"},
       {'K', "a long link name of GNU tar"},
       {'S', "a sparse file of GNU tar"},
       {'g', "a pax header"},
       {'x', "a pax header"}}};
  for (const auto& [letter, text] : words) {
    if (letter == kind) {
      return text;
    }
  }
  return "an entry of type '" + std::string(1, kind) + "'";
}

/// What differs between a block and the right one, for a message.
std::string difference(std::string_view block, std::string_view right, const std::string& path) {
  static constexpr std::array<std::pair<Field, const char*>, 6> fields = {
      {{mode_field, "a mode"},
       {owner_field, "an owner"},
       {time_field, "a time"},
       {link_field, "a link's target"},
       {owner_name_field, "an owner's name"},
       {device_field, "a device"}}};
  for (const auto& [field, name] : fields) {
    if (at(block, field) != at(right, field)) {
      return std::string(name) + " of another spelling";
    }
  }
  return shown(path) + " in another spelling";
}

Error malformed(const std::string& subject, const std::string& expected, const std::string& found) {
  return {"archive_malformed", subject, expected, found};
}

}  // namespace

std::optional<std::string> spell(const std::string& path, std::uint64_t size) {
  const auto parts = split(path);
  if (!parts || !is_ascii(path) || size > max_size) {
    return std::nullopt;
  }
  std::string block(block_size, '\0');
  put(block, name_field, parts->second);
  put(block, mode_field, mode);
  put(block, owner_field, two_zeros);
  put(block, size_field, octal(size, size_digits));
  put(block, time_field, no_time);
  put(block, kind_field, "0");
  put(block, magic_field, magic);
  put(block, device_field, two_zeros);
  put(block, prefix_field, parts->first);
  put(block, checksum_field, checksum(block));
  return block;
}

Header read(std::string_view block, const std::string& subject) {
  if (at(block, checksum_field) != checksum(block)) {
    throw malformed(subject, "a header whose checksum is right", "another checksum");
  }
  if (at(block, magic_field) != magic) {
    throw malformed(subject, "a header of POSIX ustar", "another magic");
  }
  if (const char kind = block[kind_field.begin]; kind != '0') {
    throw malformed(subject, "a regular file", kind_in_words(kind));
  }
  const std::optional<std::uint64_t> size = size_of(at(block, size_field));
  if (!size) {
    throw malformed(subject, "a size of eleven octal digits", "another spelling");
  }
  const std::string path = path_of(block);
  const std::optional<std::string> right = spell(path, *size);
  if (!right) {
    throw malformed(subject, "a path as the writer spells it", shown(path));
  }
  if (block != *right) {
    throw malformed(subject, "a header as the writer spells it", difference(block, *right, path));
  }
  return {path, *size};
}

std::uint64_t padding(std::uint64_t size) { return (block_size - size % block_size) % block_size; }

bool is_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
}

}  // namespace bundle::detail::ustar
