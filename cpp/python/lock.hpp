// The interpreter's lock, let go while the model works.
#pragma once

#include <pybind11/pybind11.h>

namespace bundle::python {

/// Lets other Python threads run for as long as it lives.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked();
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

/// Returns what `work` does, without the interpreter's lock.
template <class Work>
auto unlocked(const Work& work) {
  const Unlocked free;
  return work();
}

}  // namespace bundle::python
