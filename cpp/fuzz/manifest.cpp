// The bytes of a `bundle.json`: read or refused, and what is read says what was read.
#include "bundle/manifest.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "bundle/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    if (bundle::Manifest::parse(bytes).bytes() != bytes) {
      std::abort();
    }
  } catch (const bundle::Error& error) {
    if (!error.subject().empty() && error.subject()[0] != '/') {
      std::abort();
    }
  }
  return 0;
}
