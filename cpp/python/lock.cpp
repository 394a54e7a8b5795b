#include "lock.hpp"

#include <cxxabi.h>
#include <unistd.h>

namespace bundle::python {

namespace {

[[noreturn]] void park() {
  for (;;) {
    ::pause();
  }
}

}  // namespace

Unlocked::~Unlocked() {
  try {
    PyEval_RestoreThread(state_);
  } catch (abi::__forced_unwind&) {
    // The interpreter has ended, and ends a thread that comes back to it by unwinding. That would run through
    // frames that still hold Python's objects; the process is about to end, so the thread waits for that.
    park();
  }
}

}  // namespace bundle::python
