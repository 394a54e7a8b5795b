// The file of a shared library, piece by piece.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "files.hpp"

namespace bundle::detail {

/// A number of `limits` in spec/library.json.
std::uint64_t library_limit(const char* name);

/// A file that is read in pieces; every read that leaves it is `library_malformed`.
class Image {
 public:
  /// Check L1. Throws Error `library_not_found` or `library_malformed`.
  explicit Image(const std::string& path);

  [[noreturn]] void fail(const std::string& found) const;
  void check_span(std::uint64_t offset, std::uint64_t count, const char* what) const;
  std::string read(std::uint64_t offset, std::uint64_t count, const char* what) const;

  /// Reads a table of structures.
  template <class Row>
  std::vector<Row> rows(std::uint64_t offset, std::uint64_t count, const char* what) const {
    if (count > size_ / sizeof(Row)) {
      fail(std::string(what) + " that runs past the end of the file");
    }
    const std::string bytes = read(offset, count * sizeof(Row), what);
    std::vector<Row> table(count);
    if (count > 0) {
      std::memcpy(table.data(), bytes.data(), bytes.size());
    }
    return table;
  }

  /// Returns a structure out of bytes that were read; `what` is what they are.
  template <class Row>
  Row row(std::string_view bytes, std::uint64_t offset, const char* what) const {
    if (offset > bytes.size() || sizeof(Row) > bytes.size() - offset) {
      fail(std::string(what) + " with an entry that runs past its end");
    }
    Row found{};
    std::memcpy(&found, bytes.data() + offset, sizeof(Row));
    return found;
  }

 private:
  std::string path_;
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
};

/// Names that end in a zero byte each, by where they begin.
class Names {
 public:
  Names(const Image& image, std::uint64_t offset, std::uint64_t size);
  /// The name at an offset. Throws Error `library_malformed` where it is not inside, or too long.
  std::string at(std::uint64_t offset) const;
  /// Whether the name at an offset is this one.
  bool is(std::uint64_t offset, std::string_view name) const;

 private:
  const Image* image_;
  std::string text_;
};

}  // namespace bundle::detail
