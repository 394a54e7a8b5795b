// Memory that is not there, told with a code like every other error of this library.
#pragma once

#include <new>

#include "bundle/error.hpp"

namespace bundle::detail {

/// Runs a call of a predictor.
template <class Work>
auto calling(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    throw Error("runtime_failure", ".", "memory", "none left for the call");
  }
}

/// Runs what opens or changes something.
template <class Work>
auto opening(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    throw Error("internal_error", ".", "memory", "none left while opening");
  }
}

}  // namespace bundle::detail
