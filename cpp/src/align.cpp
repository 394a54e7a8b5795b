#include "align.hpp"

#include <cstring>
#include <limits>
#include <new>

namespace bundle::detail {

namespace {

// What ONNX Runtime's own allocator gives; a multiple of what is needed.
constexpr std::size_t line = 64;

}  // namespace

std::shared_ptr<void> aligned_memory(std::size_t bytes, std::size_t offset) {
  if (bytes > std::numeric_limits<std::ptrdiff_t>::max() - 2 * line) {
    return nullptr;
  }
  void* block = ::operator new(bytes + offset + 1, std::align_val_t{line}, std::nothrow);
  if (block == nullptr) {
    return nullptr;
  }
  const std::shared_ptr<void> owner(block,
                                    [](void* start) { ::operator delete(start, std::align_val_t{line}); });
  char* begin = static_cast<char*>(block) + offset;
  std::memset(begin, 0, bytes);
  return {owner, begin};
}

void* no_elements() {
  alignas(line) static char byte;
  return &byte;
}

}  // namespace bundle::detail
