// Files, folders and links that are on the disk before they get their name: synced, then renamed.
//
// What the system refuses leaves these functions as std::system_error, unless they say otherwise.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "files.hpp"

namespace bundle::detail {

/// Throws std::system_error of `errno`.
[[noreturn]] void system_refused();

/// A new file that is written piece by piece.
class NewFile {
 public:
  /// Makes the file; one that is there is an error.
  explicit NewFile(const std::string& path);
  void write(std::string_view piece);
  /// Waits until the content is on the disk, and lets everybody read it.
  void finish();

 private:
  Descriptor file_;
};

/// Makes a folder where there is none.
void make_folder(const std::string& path);
/// The same; everybody may read one that is made.
void make_open_folder(const std::string& path);
/// Makes the folders on the way to `path`, which is below `root`, where there are none.
void make_folders_to(const std::string& root, const std::string& path);

/// The names in a folder.
std::vector<std::string> names_in(const std::string& folder);

/// Waits until the names in a folder are on the disk.
void sync_folder(const std::string& folder);
/// The same for a folder and every folder in it, which everybody may then read.
void finish_tree(const std::string& folder);

void rename(const std::string& from, const std::string& to);
/// Lets two paths change places in one step; tells whether the file system can. Both have to be there.
bool exchange(const std::string& one, const std::string& other);
/// Makes the symbolic link `path` to `target` in one step, in the place of one that is there. `temporary` is
/// a free name in the same file system.
void place_link(const std::string& target, const std::string& path, const std::string& temporary);

/// Removes a folder and what is in it, as much of it as can be removed; no link is followed.
void remove_tree(const std::string& folder) noexcept;

}  // namespace bundle::detail
