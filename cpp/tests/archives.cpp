#include "archives.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <utility>

#include "manifest_data.hpp"
#include "ustar.hpp"
#include "vectors.hpp"

namespace bundle::test {

namespace ustar = detail::ustar;

Contents contents_of(const std::filesystem::path& bundle) {
  const std::string bytes = read_file(bundle / "bundle.json");
  const Manifest manifest = Manifest::parse(bytes);
  Contents contents = {{"bundle.json", bytes}};
  for (const detail::File& file : manifest.data().files) {
    contents.emplace_back(file.path, read_file(bundle / file.path));
  }
  return contents;
}

std::string spelled(const std::string& path, std::uint64_t size) {
  std::optional<std::string> header = ustar::spell(path, size);
  if (!header) {
    throw std::invalid_argument("no header of an archive can hold " + path);
  }
  return std::move(*header);
}

std::string entry_of(const std::string& path, const std::string& content) {
  return spelled(path, content.size()) + content + std::string(ustar::padding(content.size()), '\0');
}

std::string archive_of(const Contents& contents) {
  std::string bytes;
  for (const auto& [path, content] : contents) {
    bytes += entry_of(path, content);
  }
  return bytes + std::string(2 * ustar::block_size, '\0');
}

std::string sealed(std::string header) {
  std::fill_n(header.begin() + 148, 8, ' ');
  unsigned sum = 0;
  for (const char c : header) {
    sum += static_cast<unsigned char>(c);
  }
  std::array<char, 8> digits{};
  std::snprintf(digits.data(), digits.size(), "%06o", sum);
  std::copy_n(digits.begin(), 7, header.begin() + 148);
  return header;
}

void write_file(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
}

}  // namespace bundle::test
