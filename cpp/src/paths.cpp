// The paths of a manifest's files: checks M7 to M9.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/error.hpp"
#include "manifest_data.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

constexpr std::size_t max_path = 1024;
constexpr std::size_t max_component = 255;

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = path.find('/');
    parts.emplace_back(path.substr(0, end));
    if (end == std::string_view::npos) {
      return parts;
    }
    path.remove_prefix(end + 1);
  }
}

bool safe(const std::string& path) {
  static const std::vector<std::string> roots = {"models", "golden", "config", "lib"};
  if (path.size() > max_path) {
    return false;
  }
  const std::vector<std::string> parts = split(path);
  return parts.size() >= 2 && std::find(roots.begin(), roots.end(), parts[0]) != roots.end() &&
         std::all_of(parts.begin(), parts.end(), plain_name);
}

/// A folder by the lower-case names in it. A tree, not a set of paths: 1 MiB of deep paths would have
/// hundreds of megabytes of folder names.
struct Folder {
  struct Entry {
    std::string spelling;
    std::unique_ptr<Folder> inside;  // null for a file
  };
  std::map<std::string, Entry> entries;
};

/// Adds a file; tells whether it fits beside what is there (M9).
bool add(Folder& root, const std::string& path) {
  std::vector<std::string> parts = split(path);
  const std::string name = lower_ascii(parts.back());
  parts.pop_back();
  Folder* folder = &root;
  for (const std::string& part : parts) {
    auto [place, is_new] = folder->entries.try_emplace(lower_ascii(part), Folder::Entry{part, nullptr});
    if (is_new) {
      place->second.inside = std::make_unique<Folder>();
    }
    if (place->second.spelling != part || place->second.inside == nullptr) {
      return false;
    }
    folder = place->second.inside.get();
  }
  return folder->entries.try_emplace(name, Folder::Entry{name, nullptr}).second;
}

std::string subject(std::size_t index) { return "/files/" + std::to_string(index) + "/path"; }

}  // namespace

bool plain_name(const std::string& name) {
  auto word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  auto inside = [&](char c) { return word(c) || c == '.' || c == '-'; };
  return !name.empty() && name.size() <= max_component && word(name.front()) && name.back() != '.' &&
         std::all_of(name.begin(), name.end(), inside);
}

void check_paths(const Array& files) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!safe(files[i].str("path"))) {
      throw Error("path_unsafe", subject(i), "models, golden, config or lib, then plain names joined by `/`",
                  quoted(files[i].str("path")));
    }
  }
  for (std::size_t i = 1; i < files.size(); ++i) {
    const std::string& before = files[i - 1].str("path");
    if (files[i].str("path") <= before) {
      throw Error("manifest_field_value", subject(i), "a path after " + quoted(before),
                  quoted(files[i].str("path")));
    }
  }
  Folder root;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!add(root, files[i].str("path"))) {
      throw Error("path_conflict", subject(i), "one spelling, one file", quoted(files[i].str("path")));
    }
  }
}

}  // namespace bundle::detail
