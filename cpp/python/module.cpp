// The Python module `bundle.runtimes._cpp`: the C++ predictor as bundle.runtimes.protocol.Native.
#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <mutex>
#include <new>
#include <utility>

#include "arrays.hpp"
#include "describe.hpp"
#include "lock.hpp"

namespace bundle::python {

namespace {

/// What a file or a caller said may be quoted in an error, cut where it was too long, whatever it is.
py::str shown(const std::string& text) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

void raise(const std::string& code, const std::string& subject, const std::string& expected,
           const std::string& found) {
  const py::object kind = py::module_::import("bundle.error").attr("BundleError");
  PyErr_SetObject(kind.ptr(), kind(code, shown(subject), shown(expected), shown(found)).ptr());
}

void translate(std::exception_ptr thrown) {
  try {
    if (thrown) {
      std::rethrow_exception(std::move(thrown));
    }
  } catch (const Error& error) {
    raise(error.code(), error.subject(), error.expected(), error.found());
  } catch (const std::bad_alloc&) {
    raise("internal_error", ".", "memory", "none left in the C++ predictor");
  } catch (const py::builtin_exception&) {
    throw;
  } catch (const std::exception& error) {
    raise("internal_error", ".", "no fault of the C++ predictor", error.what());
  } catch (...) {
    raise("internal_error", ".", "no fault of the C++ predictor", "an exception of no known type");
  }
}

/// A bound call, and the arrays that it works on.
class Call {
 public:
  Call(const Predictor& predictor, const py::dict& inputs, const py::dict& outputs)
      : inputs_(inputs, false),
        outputs_(outputs, true),
        call_(unlocked([&] { return predictor.bind(inputs_.tensors(), outputs_.tensors()); })) {}

  void run() {
    inputs_.refresh();
    unlocked([this] {
      // One thread at a time is the caller's duty; whoever forgets it waits instead of crashing.
      const std::lock_guard<std::mutex> alone(lock_);
      call_.run();
    });
  }

 private:
  Lent inputs_, outputs_;
  BoundCall call_;
  std::mutex lock_;
};

Predictor open(const std::string& path, const std::string& options) {
  return unlocked([&] { return Predictor::open(path, Options::from_json(options)); });
}

py::dict predict(const Predictor& predictor, const py::dict& inputs) {
  const Lent lent(inputs, false);
  const Tensors results = unlocked([&] { return predictor.predict(lent.tensors()); });
  return to_arrays(predictor.outputs(), results);
}

void predict_into(const Predictor& predictor, const py::dict& inputs, const py::dict& outputs) {
  const Lent lent(inputs, false);
  Lent buffers(outputs, true);
  unlocked([&] { predictor.predict_into(lent.tensors(), buffers.tensors()); });
}

py::dict predict_batch(const Predictor& predictor, const py::dict& inputs,
                       std::optional<std::int64_t> batch_size, const std::optional<py::function>& progress) {
  const Lent lent(inputs, false);
  std::function<bool(std::int64_t, std::int64_t)> told;
  if (progress) {
    told = [&](std::int64_t done, std::int64_t all) {
      const py::gil_scoped_acquire locked;
      return py::cast<bool>((*progress)(done, all));
    };
  }
  const Tensors results = unlocked([&] { return predictor.predict_batch(lent.tensors(), batch_size, told); });
  return to_arrays(predictor.outputs(), results);
}

}  // namespace

PYBIND11_MODULE(_cpp, module) {
  module.doc() = "The C++ predictor of edge bundles; bundle.open(path, runtime=\"cpp\") uses it.";
  py::register_local_exception_translator(&translate);
  py::class_<Call>(module, "Call").def("run", &Call::run);
  py::class_<Predictor>(module, "Predictor")
      .def("described", [](const Predictor& predictor) { return described(predictor); })
      .def("predict", &predict)
      .def("predict_into", &predict_into)
      .def("bind", [](const Predictor& predictor, const py::dict& inputs,
                      const py::dict& outputs) { return std::make_unique<Call>(predictor, inputs, outputs); })
      .def("predict_batch", &predict_batch)
      .def("self_test",
           [](const Predictor& predictor) {
             return described(unlocked([&] { return predictor.self_test(); }));
           })
      .def("close", [](Predictor& predictor) { unlocked([&] { predictor.close(); }); });
  module.def("open", &open);
}

}  // namespace bundle::python
