// How many threads this process may use.
#pragma once

#include <cstdint>
#include <string>

namespace bundle::detail {

/// Returns `wanted`, lowered to what the process may use and never below 1. ONNX Runtime does not look at the
/// CPU quota of a control group: more threads than the quota only make each other wait.
/// `root` is the folder that holds `proc` and `sys`.
std::int64_t effective_threads(std::int64_t wanted, const std::string& root = "");

}  // namespace bundle::detail
