// Read an archive by the checks A1 to A7 of STORE.md, before a byte of it is written anywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/manifest.hpp"
#include "files.hpp"

namespace bundle::detail {

/// A file in an archive: its path in the bundle, where its content begins, its size in bytes.
struct Entry {
  std::string path;
  std::uint64_t offset, size;
};

/// An open archive whose manifest and headers are checked; contents are not.
class Archive {
 public:
  /// Opens an archive and checks what stands before and between the contents.
  /// @param digest the identity that the caller expects; empty for any.
  /// @param max_bytes refuse a longer archive; none for the limit of spec/store.json.
  /// @throws Error by the checks A1 to A7.
  static Archive open(const std::string& path, const std::string& digest,
                      std::optional<std::int64_t> max_bytes);

  const Manifest& manifest() const { return *manifest_; }
  /// `bundle.json` and the listed files, in manifest order.
  const std::vector<Entry>& entries() const { return entries_; }
  /// The files of `attest/`, where the archive holds any.
  const std::vector<Entry>& statements() const { return statements_; }

  /// Hands a content on, piece by piece.
  /// @throws Error `archive_truncated` where the archive changed since it was opened, `archive_not_found`
  ///   where it can no longer be read; and what `take` throws.
  void read(const Entry& entry, const std::function<void(std::string_view piece)>& take) const;

 private:
  Archive(Descriptor file, std::uint64_t length) : file_(std::move(file)), length_(length) {}

  std::string bytes(std::uint64_t count, std::uint64_t offset, const std::string& subject) const;
  void check_content(const Entry& entry) const;
  Entry entry_at(std::uint64_t offset, const std::string& path) const;
  void check_manifest(const std::string& digest);
  void check_files();
  void check_statements();
  void check_end(std::uint64_t offset) const;

  Descriptor file_;
  std::uint64_t length_;
  /// There once check A4 passed.
  /// Set by `open`.
  std::shared_ptr<const Manifest> manifest_;
  std::vector<Entry> entries_, statements_;
};

}  // namespace bundle::detail
