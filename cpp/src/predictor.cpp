#include "bundle/predictor.hpp"

#include <cstring>
#include <utility>

#include "bound.hpp"
#include "core.hpp"
#include "library.hpp"
#include "memory.hpp"
#include "selftest.hpp"

namespace bundle {

namespace detail {

namespace {

Tensors predict(const Core& core, const Tensors& inputs) {
  const auto call = core.gate.enter();
  const Feed feed = core.inputs().check(inputs);
  std::vector<Tensor> results = core.outputs_of(feed.tensors, core.outputs().all());
  Tensors outputs;
  for (std::size_t i = 0; i < results.size(); ++i) {
    outputs.emplace(core.manifest().outputs[i].name, std::move(results[i]));
  }
  return outputs;
}

void predict_into(const Core& core, const Tensors& inputs, Tensors& outputs) {
  const auto call = core.gate.enter();
  const Feed feed = core.inputs().check(inputs);
  const Selection given = core.outputs().select(outputs);
  core.outputs().check_buffers(given, outputs, feed.symbols, false);
  // ONNX Runtime runs no model for no output, and an error of the model must not depend on the buffers.
  const std::vector<Tensor> results =
      core.outputs_of(feed.tensors, given.empty() ? core.outputs().all() : given);
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string& name = core.manifest().outputs[given[i]].name;
    if (outputs.at(name).shape() != results[i].shape()) {
      throw buffer_unsuitable(name, "a buffer of shape " + describe(outputs.at(name).shape()));
    }
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (results[i].bytes() > 0) {
      std::memcpy(outputs.at(core.manifest().outputs[given[i]].name).data(), results[i].data(),
                  results[i].bytes());
    }
  }
}

}  // namespace

}  // namespace detail

BoundCall::BoundCall(std::unique_ptr<detail::Binding> binding) : binding_(std::move(binding)) {}
BoundCall::BoundCall(BoundCall&& other) noexcept = default;
BoundCall& BoundCall::operator=(BoundCall&& other) noexcept = default;
BoundCall::~BoundCall() = default;

void BoundCall::run() {
  detail::calling([&] { binding_->run(); });
}

Predictor::Predictor(std::shared_ptr<detail::Core> core) : core_(std::move(core)) {}

Predictor Predictor::open(const std::string& path, const Options& options) {
  return open(Bundle::open(path, options), options);
}

Predictor Predictor::open(const Bundle& bundle, const Options& options) {
  return detail::opening([&] { return Predictor(std::make_shared<detail::Core>(bundle, options)); });
}

Tensors Predictor::predict(const Tensors& inputs) const {
  return detail::calling([&] { return detail::predict(*core_, inputs); });
}

Tensors Predictor::predict_batch(const Tensors& inputs, std::optional<std::int64_t> batch_size,
                                 const std::function<bool(std::int64_t, std::int64_t)>& progress) const {
  return detail::calling([&] { return detail::predict_batch(*core_, inputs, batch_size, progress); });
}

void Predictor::predict_into(const Tensors& inputs, Tensors& outputs) const {
  detail::calling([&] { detail::predict_into(*core_, inputs, outputs); });
}

BoundCall Predictor::bind(const Tensors& inputs, const Tensors& outputs) const {
  return detail::calling(
      [&] { return BoundCall(std::make_unique<detail::Binding>(core_, inputs, outputs)); });
}

SelfTest Predictor::self_test() const {
  return detail::calling([&] { return detail::self_test(*this); });
}

void Predictor::close() noexcept { core_->close(); }

const Bundle& Predictor::bundle() const noexcept { return core_->bundle; }
const std::vector<Port>& Predictor::inputs() const noexcept { return core_->manifest().inputs; }
const std::vector<Port>& Predictor::outputs() const noexcept { return core_->manifest().outputs; }
const std::string& Predictor::variant() const noexcept { return core_->variant->name; }
const std::string& Predictor::format() const noexcept { return core_->format; }
const std::string& Predictor::reason() const noexcept { return core_->reason; }
const std::vector<std::string>& Predictor::providers() const noexcept { return core_->providers; }

const std::map<std::string, std::string>& Predictor::provider_reasons() const noexcept {
  return core_->provider_reasons;
}

const std::map<std::string, Setting>& Predictor::session() const noexcept { return core_->session; }

const char* version() noexcept { return EDGEBUNDLE_VERSION; }

std::string runtime_version(const Options& options) {
  const auto library = options.tree().values.find("library");
  detail::LibraryRequest request;
  request.allow_telemetry = true;
  request.host = options.tree().host;
  request.library = library == options.tree().values.end() ? nullptr : library->second.text();
  return detail::load_runtime(request).version;
}

}  // namespace bundle
