// The one spelling of a tar header that archives have (STORE.md, checks H1 to H6); touches no file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bundle::detail::ustar {

/// Headers, and the content behind them, fill whole blocks of so many bytes.
constexpr std::size_t block_size = 512;

struct Header {
  std::string path;
  std::uint64_t size;
};

/// Returns the block that stands before a content; none where the format has no room for the path or the
/// size.
std::optional<std::string> spell(const std::string& path, std::uint64_t size);

/// Returns path and size out of a block that is spelt as `spell` does (H1 to H5). `subject` is the entry
/// that should stand here. Throws Error `archive_malformed`.
Header read(std::string_view block, const std::string& subject);

/// How many zero bytes follow a content of `size` bytes.
std::uint64_t padding(std::uint64_t size);

/// Whether these bytes are all zero, as padding is, and the blocks that end an archive.
bool is_zero(std::string_view bytes);

}  // namespace bundle::detail::ustar
