#include "archive.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "bundle/error.hpp"
#include "manifest_data.hpp"
#include "sha256.hpp"
#include "spec.hpp"
#include "text.hpp"
#include "ustar.hpp"

namespace bundle::detail {

namespace {

const std::string manifest_name = "bundle.json";
const std::string statement_folder = "attest";

Error unreadable(const std::string& found) {
  return {"archive_not_found", ".", "an archive that can be read", found};
}

/// Check A1; returns the file and its length.
std::pair<Descriptor, std::uint64_t> opened(const std::string& path) {
  // A zero byte would cut the path short.
  if (path.find('\0') != std::string::npos) {
    throw unreadable("no path");
  }
  // A pipe is not waited for.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (file.number() < 0 || ::fstat(file.number(), &status) != 0) {
    throw unreadable(std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error("archive_not_found", ".", "an archive, a regular file", kind(status));
  }
  return {std::move(file), static_cast<std::uint64_t>(status.st_size)};
}

std::uint64_t limit(const char* name) {
  return static_cast<std::uint64_t>(table("store").at("archive").num(name));
}

/// Where the header behind an entry begins.
std::uint64_t end_of(const Entry& entry) { return entry.offset + entry.size + ustar::padding(entry.size); }

std::string count_of(std::uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

/// Judges the path of a statement (A6).
void check_statement(const std::string& path, const std::vector<Entry>& before) {
  const std::string start = statement_folder + "/";
  if (!begins_with(path, start) || !plain_name(path.substr(start.size()))) {
    throw Error("archive_entry_unexpected", statement_folder, "a statement or the end", quoted_path(path));
  }
  const std::string lower = lower_ascii(path);
  auto alike = [&](const Entry& other) { return lower_ascii(other.path) == lower; };
  if ((!before.empty() && path <= before.back().path) || std::any_of(before.begin(), before.end(), alike)) {
    throw Error("archive_entry_unexpected", statement_folder,
                "a name after " + quoted_path(before.back().path), quoted_path(path));
  }
}

}  // namespace

Archive Archive::open(const std::string& path, const std::string& digest,
                      std::optional<std::int64_t> max_bytes) {
  auto [file, length] = opened(path);
  const std::uint64_t most = max_bytes ? static_cast<std::uint64_t>(*max_bytes) : limit("max_bytes");
  if (length > most) {
    throw Error("archive_too_large", ".", "at most " + count_of(most), count_of(length));
  }
  Archive archive(std::move(file), length);
  archive.check_manifest(digest);
  archive.check_files();
  archive.check_statements();
  return archive;
}

void Archive::read(const Entry& entry, const std::function<void(std::string_view piece)>& take) const {
  constexpr std::uint64_t longest = 1 << 18;
  for (std::uint64_t done = 0; done < entry.size; done += longest) {
    take(bytes(std::min(longest, entry.size - done), entry.offset + done, entry.path));
  }
}

/// Returns bytes of the file, all of them or an error: no caller asks for more than a manifest may have.
std::string Archive::bytes(std::uint64_t count, std::uint64_t offset, const std::string& subject) const {
  std::string data(static_cast<std::size_t>(count), '\0');
  std::size_t done = 0;
  while (done < data.size()) {
    const ssize_t read =
        ::pread(file_.number(), data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
    if (read == 0) {
      throw Error("archive_truncated", subject, "a whole archive", "one that ends here");
    }
    if (read < 0 && errno != EINTR) {
      throw unreadable(std::strerror(errno));
    }
    done += read > 0 ? static_cast<std::size_t>(read) : 0;
  }
  return data;
}

/// A content and its padding are inside the archive, and the padding is zero.
void Archive::check_content(const Entry& entry) const {
  const std::uint64_t end = end_of(entry);
  if (end > length_) {
    throw Error("archive_truncated", entry.path, count_of(entry.size) + " and padding",
                count_of(length_ - std::min(length_, entry.offset)));
  }
  const std::uint64_t padding = ustar::padding(entry.size);
  if (!ustar::is_zero(bytes(padding, end - padding, entry.path))) {
    throw Error("archive_malformed", entry.path, "zeros behind the content", "other bytes");
  }
}

/// Reads the header at an offset, which must be that of `path`.
Entry Archive::entry_at(std::uint64_t offset, const std::string& path) const {
  const std::string block = bytes(ustar::block_size, offset, path);
  if (ustar::is_zero(block)) {
    throw Error("file_missing", path, "this file next", "the end of the archive");
  }
  ustar::Header header = ustar::read(block, path);
  if (header.path != path) {
    throw Error("archive_entry_unexpected", path, "this file next", quoted_path(header.path));
  }
  return {std::move(header.path), offset + ustar::block_size, header.size};
}

/// Checks A3 and A4.
void Archive::check_manifest(const std::string& digest) {
  const Entry first = entry_at(0, manifest_name);
  check_manifest_size(first.size);
  check_content(first);
  const std::string data = bytes(first.size, first.offset, first.path);
  const std::string identity = digest.empty() ? std::string() : sha256_hex(data);
  if (identity != digest) {
    throw Error("bundle_digest_mismatch", manifest_name, digest, identity);
  }
  manifest_ = std::make_shared<const Manifest>(Manifest::parse(data));
  entries_.push_back(first);
}

/// Check A5.
void Archive::check_files() {
  for (const File& file : manifest_->data().files) {
    Entry entry = entry_at(end_of(entries_.back()), file.path);
    if (entry.size != static_cast<std::uint64_t>(file.size)) {
      throw Error("file_size_mismatch", file.path, std::to_string(file.size) + " bytes",
                  count_of(entry.size));
    }
    check_content(entry);
    entries_.push_back(std::move(entry));
  }
}

/// Checks A6 and A7.
void Archive::check_statements() {
  const std::uint64_t most = limit("max_statements");
  const std::uint64_t most_bytes = limit("max_statement_bytes");
  std::uint64_t offset = end_of(entries_.back());
  std::uint64_t total = 0;
  while (true) {
    const std::string block = bytes(ustar::block_size, offset, statement_folder);
    if (ustar::is_zero(block)) {
      break;
    }
    ustar::Header header = ustar::read(block, statement_folder);
    check_statement(header.path, statements_);
    total += header.size;
    if (total > most_bytes || statements_.size() == most) {
      throw Error("archive_too_large", statement_folder,
                  "at most " + std::to_string(most) + " statements of " + count_of(most_bytes), "more");
    }
    statements_.push_back({std::move(header.path), offset + ustar::block_size, header.size});
    check_content(statements_.back());
    offset = end_of(statements_.back());
  }
  check_end(offset);
}

/// Check A7; the first of the two zero blocks is at `offset`.
void Archive::check_end(std::uint64_t offset) const {
  if (!ustar::is_zero(bytes(ustar::block_size, offset + ustar::block_size, "."))) {
    throw Error("archive_malformed", ".", "two zero blocks at the end", "something after one");
  }
  const std::uint64_t end = offset + 2 * ustar::block_size;
  if (end != length_) {
    const std::string found = end < length_ ? count_of(length_ - end) + " more" : "a file that grows";
    throw Error("archive_malformed", ".", "nothing after the two zero blocks", found);
  }
}

}  // namespace bundle::detail
