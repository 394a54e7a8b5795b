// Reads the cases of spec/cases, as spec/cases/README.md says.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "driver.hpp"
#include "json.hpp"

namespace bundle::test {

/// Every folder with a case, in byte order.
std::vector<std::filesystem::path> cases();

/// The bundle of a valid case.
inline std::string bundle_of(const std::string& name) {
  return std::string(EDGEBUNDLE_CASES) + "/valid/" + name + "/bundle";
}

/// Plays a case; returns what was wrong, or an empty text.
std::string play(driver::Driver& driver, const std::filesystem::path& folder);

/// A folder that is removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::filesystem::path& path);

}  // namespace bundle::test
