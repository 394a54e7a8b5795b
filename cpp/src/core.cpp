#include "core.hpp"

#include <unistd.h>

#include <cstring>
#include <utility>

#include "align.hpp"
#include "bundle/error.hpp"
#include "fit.hpp"
#include "library.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

/// Check P2.
const Variant& find_variant(const ManifestData& manifest, const std::optional<std::string>& wanted) {
  const std::string& name = wanted ? *wanted : manifest.default_variant;
  for (const Variant& variant : manifest.variants) {
    if (variant.name == name) {
      return variant;
    }
  }
  throw Error("variant_unknown", name, "a variant of the bundle", "no such variant");
}

const Runtime& find_runtime(const Bundle& bundle, const Variant& variant, const Choices& choices,
                            const HostRuntime& host) {
  const ManifestData& manifest = bundle.manifest().data();
  LibraryRequest request;
  request.library = choices.library ? &*choices.library : nullptr;
  request.allow_telemetry = choices.allow_telemetry;
  request.host = host;
  request.api = manifest.api_minimum;
  request.minimum = {manifest.runtime_minimum, variant.minimum_runtime};
  for (const File& file : manifest.files) {
    if (choices.trust_bundle_library && file.path == manifest.runtime_library) {
      request.bundled = file;
      request.bundled_path = bundle.path() + "/" + file.path;
    }
  }
  return load_runtime(request);
}

/// A string tensor, which ONNX Runtime copies.
Handle<OrtValue> string_value(const Runtime& runtime, const Tensor& tensor) {
  const OrtApi& api = *runtime.api;
  std::vector<const char*> texts;
  for (const std::string& text : tensor.strings()) {
    texts.push_back(text.c_str());
  }
  auto value = make<OrtValue>(api, api.CreateTensorAsOrtValue, runtime.allocator, tensor.shape().data(),
                              tensor.shape().size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING);
  check(api, api.FillStringTensor(value.get(), texts.data(), texts.size()));
  return value;
}

/// Makes room for an output, for whose size the caller is not to blame.
Tensor strings_of(const OrtApi& api, const OrtValue& value, std::vector<std::int64_t> shape) {
  Tensor tensor = room_for(DType::string, std::move(shape));
  std::size_t length = 0;
  check(api, api.GetStringTensorDataLength(&value, &length));
  std::string text(length, '\0');
  std::vector<std::size_t> offsets(tensor.count());
  check(api, api.GetStringTensorContent(&value, text.data(), length, offsets.data(), offsets.size()));
  std::vector<std::string> elements(tensor.count());
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const std::size_t end = i + 1 < offsets.size() ? offsets[i + 1] : length;
    elements[i] = text.substr(offsets[i], end - offsets[i]);
  }
  tensor.assign(std::move(elements));
  return tensor;
}

Error failed(const char* message) { return {"runtime_failure", ".", "a run without an error", message}; }

}  // namespace

Tensor room_for(DType dtype, std::vector<std::int64_t> shape) {
  try {
    return Tensor::zeros(dtype, std::move(shape));
  } catch (const Error& error) {
    throw Error("runtime_failure", ".", error.expected(), error.found());
  }
}

Gate::Gate() : process_(::getpid()) {}

std::shared_lock<std::shared_mutex> Gate::enter() const {
  const bool forked = ::getpid() != process_;
  if (forked && !closed_) {
    throw Error("process_forked", ".", "the process that opened the predictor", "a forked one");
  }
  std::shared_lock<std::shared_mutex> lock(lock_, std::defer_lock);
  if (!closed_ && !forked) {
    lock.lock();
  }
  if (closed_) {
    throw Error("predictor_closed", ".", "an open predictor", "a closed one");
  }
  return lock;
}

std::unique_lock<std::shared_mutex> Gate::close() {
  // First the word, then the lock: readers that keep coming could else starve the one who closes.
  closed_ = true;
  if (::getpid() != process_) {
    return {};
  }
  return std::unique_lock<std::shared_mutex>(lock_);
}

Core::Core(Bundle opened, const Options& options) : bundle(std::move(opened)) {
  const Choices choices = choose_options(options.tree(), manifest());
  variant = &find_variant(manifest(), choices.variant);
  runtime = &find_runtime(bundle, *variant, choices, options.tree().host);
  Settings settings = settle(choices, manifest(), *variant);
  const bool must_map = choices.session.count("mapped") > 0 && settings.mapped;
  const std::string frozen = "ort";
  const std::string* wanted = must_map ? &frozen : nullptr;
  if (choices.format) {
    wanted = &*choices.format;
  }
  const FileChoice file =
      choose_file(manifest(), *variant, runtime->version, wanted, choices.allow_foreign_target);
  // Only an .ort file can be mapped; for .onnx the setting would change last bits for nothing.
  settings.mapped = settings.mapped && file.format == frozen;
  LoadedSession loaded;
  try {
    loaded =
        load_session(*runtime, {bundle.path() + "/" + file.path, file.path, file.format}, settings, choices);
    if (bundle.full()) {
      check_signature(*runtime, *loaded.session, manifest());
    }
  } catch (const OrtFailure& failure) {
    throw Error("model_rejected", file.path, "a model that this ONNX Runtime accepts", failure.what());
  }
  session = listed(settings);
  format = file.format;
  reason = file.reason;
  providers = std::move(loaded.providers);
  provider_reasons = std::move(loaded.reasons);
  session_ = std::move(loaded.session);
  SymbolNumbers numbers;
  inputs_ = std::make_unique<InputSet>(manifest().inputs, choices.finite, numbers);
  outputs_ = std::make_unique<OutputSet>(manifest().outputs, numbers);
  for (const Port& port : manifest().inputs) {
    input_names_.push_back(port.name.c_str());
  }
}

void Core::close() {
  const auto lock = gate.close();
  if (lock.owns_lock()) {
    session_.reset();
  } else {
    // A forked process: the session's threads do not exist here, letting it go would wait for them.
    [[maybe_unused]] const OrtSession* kept = session_.release();
  }
}

Fed Core::feed(const Tensor& tensor) const {
  if (tensor.dtype() == DType::string) {
    return {string_value(*runtime, tensor), nullptr};
  }
  const OrtApi& api = *runtime->api;
  std::shared_ptr<void> staging;
  const void* data = tensor.count() == 0 ? no_elements() : tensor.data();
  if (!is_aligned(data)) {
    staging = aligned_memory(tensor.bytes());
    if (staging == nullptr) {
      throw OrtFailure("no memory for an aligned copy of an input");
    }
    std::memcpy(staging.get(), data, tensor.bytes());
    data = staging.get();
  }
  auto value = make<OrtValue>(api, api.CreateTensorWithDataAsOrtValue,
                              static_cast<const OrtMemoryInfo*>(runtime->memory), const_cast<void*>(data),
                              tensor.bytes(), tensor.shape().data(), tensor.shape().size(),
                              static_cast<ONNXTensorElementDataType>(row_of(tensor.dtype()).onnx));
  return {std::move(value), std::move(staging)};
}

std::vector<const char*> Core::output_names(const Selection& chosen) const {
  std::vector<const char*> names;
  names.reserve(chosen.size());
  for (const std::size_t index : chosen) {
    names.push_back(outputs_->plans()[index].port->name.c_str());
  }
  return names;
}

void Core::run(const std::vector<const OrtValue*>& values, const std::vector<const char*>& names,
               std::vector<OrtValue*>& results) const {
  const OrtApi& api = *runtime->api;
  try {
    // Run takes the session as a pointer to what it may change, and is documented to be safe side by side.
    check(api, api.Run(const_cast<OrtSession*>(session_.get()), nullptr, input_names_.data(), values.data(),
                       values.size(), names.data(), names.size(), results.data()));
  } catch (const OrtFailure& failure) {
    throw failed(failure.what());
  }
}

std::vector<Tensor> Core::outputs_of(const std::vector<const Tensor*>& inputs,
                                     const Selection& chosen) const {
  try {
    std::vector<Fed> fed;
    std::vector<const OrtValue*> values;
    fed.reserve(inputs.size());
    values.reserve(inputs.size());
    for (const Tensor* input : inputs) {
      fed.push_back(feed(*input));
      values.push_back(fed.back().value.get());
    }
    std::vector<OrtValue*> raw(chosen.size(), nullptr);
    // Reserved first: what cannot be taken over once it is there would never be released.
    std::vector<Handle<OrtValue>> owned;
    owned.reserve(raw.size());
    run(values, output_names(chosen), raw);
    for (OrtValue* value : raw) {
      owned.emplace_back(value, Release{runtime->api});
    }
    std::vector<Tensor> results;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      results.push_back(taken(chosen[i], *owned[i]));
    }
    return results;
  } catch (const OrtFailure& failure) {
    throw failed(failure.what());
  }
}

Tensor Core::taken(std::size_t index, const OrtValue& value) const {
  const OrtApi& api = *runtime->api;
  int is_tensor = 0;
  check(api, api.IsTensor(&value, &is_tensor));
  if (is_tensor == 0) {
    outputs_->check(index, nullptr, {});
  }
  const auto info = make<OrtTensorTypeAndShapeInfo>(api, api.GetTensorTypeAndShape, &value);
  ONNXTensorElementDataType element{};
  std::size_t rank = 0;
  check(api, api.GetTensorElementType(info.get(), &element));
  check(api, api.GetDimensionsCount(info.get(), &rank));
  std::vector<std::int64_t> shape(rank);
  check(api, api.GetDimensions(info.get(), shape.data(), rank));
  const DTypeRow* row = row_by_onnx(element);
  outputs_->check(index, row, shape);
  if (row->dtype == DType::string) {
    return strings_of(api, value, std::move(shape));
  }
  // A copy: what the model gives may be memory of its own (a constant), which must not be handed out.
  Tensor tensor = room_for(row->dtype, std::move(shape));
  void* data = nullptr;
  check(api, api.GetTensorMutableData(const_cast<OrtValue*>(&value), &data));
  if (tensor.bytes() > 0) {
    std::memcpy(tensor.data(), data, tensor.bytes());
  }
  return tensor;
}

}  // namespace bundle::detail
