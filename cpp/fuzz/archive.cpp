// The bytes of an archive: what is read of it lies inside of it.
#include "archive.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "bundle/error.hpp"
#include "written.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto archive = bundle::detail::Archive::open(bundle::fuzz::written("archive", data, size), "", {});
    std::size_t total = 0;
    for (const bundle::detail::Entry& entry : archive.entries()) {
      archive.read(entry, [&total](std::string_view piece) { total += piece.size(); });
    }
    if (total >= size) {
      std::abort();
    }
  } catch (const bundle::Error& error) {
    if (error.subject() == "." && error.code().rfind("archive_", 0) != 0) {
      std::abort();
    }
  }
  return 0;
}
