// Memory that starts where ONNX Runtime's vector kernels expect it.
//
// Sums over a graph input take other paths, and give other last bits, when the data does not start at a
// multiple of 16 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace bundle::detail {

/// Bytes of which the address of every tensor handed to ONNX Runtime is a multiple.
constexpr std::size_t alignment = 16;

inline bool is_aligned(const void* data) { return reinterpret_cast<std::uintptr_t>(data) % alignment == 0; }

/// Returns zeroed memory of at least one byte, `offset` (below 64) above a multiple of 64; null without
/// memory.
std::shared_ptr<void> aligned_memory(std::size_t bytes, std::size_t offset = 0);

/// An aligned address for tensors without elements, which are never read.
void* no_elements();

}  // namespace bundle::detail
