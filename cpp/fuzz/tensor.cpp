// A tensor of a driver's request, as an input and as a buffer.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "bundle/error.hpp"
#include "placement.hpp"

using bundle::detail::Json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Json tree = bundle::detail::parse_lenient({reinterpret_cast<const char*>(data), size});
  try {
    bundle::driver::encode(bundle::driver::decode("predict", "x", tree));
  } catch (const bundle::Error&) {
    // Refused as an input; it may be a buffer all the same.
  }
  try {
    bundle::driver::buffer("predict_into", tree);
  } catch (const bundle::Error&) {
    return 0;
  }
  return 0;
}
