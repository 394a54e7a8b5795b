// Archives of small bundles, whole and damaged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace bundle::test {

/// Path and content, in the order in which they stand in the archive.
using Contents = std::vector<std::pair<std::string, std::string>>;

/// What a bundle's archive holds.
Contents contents_of(const std::filesystem::path& bundle);

/// The header of an entry of that many bytes.
std::string spelled(const std::string& path, std::uint64_t size);

/// Header, content and padding.
std::string entry_of(const std::string& path, const std::string& content);

/// The bytes of an archive.
std::string archive_of(const Contents& contents);

/// A header with the checksum that fits it.
std::string sealed(std::string header);

void write_file(const std::filesystem::path& path, const std::string& content);

}  // namespace bundle::test
