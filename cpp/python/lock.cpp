#include "lock.hpp"

#include <unistd.h>

namespace bundle::python {

namespace {

bool ending() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

}  // namespace

Unlocked::~Unlocked() {
  // A thread that comes back while the interpreter ends would be ended by it, through frames of C++ that
  // cannot be left in that way; the process is about to end.
  while (ending()) {
    ::pause();
  }
  PyEval_RestoreThread(state_);
}

}  // namespace bundle::python
