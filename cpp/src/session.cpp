#include "session.hpp"

#include <dlfcn.h>

#include <algorithm>

#include "bundle/error.hpp"
#include "spec.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

const std::string cpu = "CPUExecutionProvider";

GraphOptimizationLevel level_of(const std::string& word) {
  static const std::map<std::string, GraphOptimizationLevel> levels = {{"disabled", ORT_DISABLE_ALL},
                                                                       {"basic", ORT_ENABLE_BASIC},
                                                                       {"extended", ORT_ENABLE_EXTENDED},
                                                                       {"all", ORT_ENABLE_ALL}};
  return levels.at(word);
}

void add_entry(const OrtApi& api, OrtSessionOptions* options, const std::string& key,
               const std::string& value) {
  check(api, api.AddSessionConfigEntry(options, key.c_str(), value.c_str()));
}

void add_flag(const OrtApi& api, OrtSessionOptions* options, const char* name, bool value) {
  for (const Json& key : table("session").at("options").at(name).list("config_keys")) {
    add_entry(api, options, *key.text(), value ? "1" : "0");
  }
}

Handle<OrtSessionOptions> session_options(const Runtime& runtime, const ModelFile& file,
                                          const Settings& settings,
                                          const std::map<std::string, std::string>& config) {
  const OrtApi& api = *runtime.api;
  auto options = make<OrtSessionOptions>(api, api.CreateSessionOptions);
  OrtSessionOptions* raw = options.get();
  check(api, api.SetSessionExecutionMode(raw, ORT_SEQUENTIAL));
  check(api, api.SetSessionLogSeverityLevel(raw, ORT_LOGGING_LEVEL_FATAL));
  check(api, api.SetSessionGraphOptimizationLevel(raw, level_of(settings.graph_optimization_level)));
  check(api, api.SetIntraOpNumThreads(raw, static_cast<int>(settings.intra_op_threads)));
  check(api, api.SetInterOpNumThreads(raw, static_cast<int>(settings.inter_op_threads)));
  check(api, settings.cpu_arena ? api.EnableCpuMemArena(raw) : api.DisableCpuMemArena(raw));
  check(api, settings.memory_pattern ? api.EnableMemPattern(raw) : api.DisableMemPattern(raw));
  for (const Member& entry : *table("session").at("fixed").at("config").object()) {
    add_entry(api, raw, entry.key, *entry.value.text());
  }
  add_flag(api, raw, "allow_spinning", settings.allow_spinning);
  add_flag(api, raw, "mapped", settings.mapped);
  for (const auto& [key, value] : config) {
    add_entry(api, raw, key, value);
  }
  add_entry(api, raw, "session.load_model_format", file.format == "ort" ? "ORT" : "ONNX");
  return options;
}

/// The name under which the general function of the API knows a provider.
std::string short_name(const std::string& name) {
  static const std::map<std::string, std::string> others = {
      {"XnnpackExecutionProvider", "XNNPACK"},
      {"AzureExecutionProvider", "AZURE"},
      {"DmlExecutionProvider", "DML"},
      {"NvTensorRTRTXExecutionProvider", "NvTensorRtRtx"}};
  const auto place = others.find(name);
  return place != others.end() ? place->second
                               : name.substr(0, name.size() - std::string("ExecutionProvider").size());
}

/// Prefers the CPU to the providers that follow; elsewhere it is the last, and ONNX Runtime adds it itself.
void append_cpu(const Runtime& runtime, OrtSessionOptions* options, bool arena) {
  using Append = OrtStatus* (*)(OrtSessionOptions*, int);
  void* symbol = ::dlsym(runtime.library == nullptr ? RTLD_DEFAULT : runtime.library,
                         "OrtSessionOptionsAppendExecutionProvider_CPU");
  if (symbol == nullptr) {
    throw OrtFailure("this ONNX Runtime cannot prefer its CPU provider to another one");
  }
  check(*runtime.api, reinterpret_cast<Append>(symbol)(options, arena ? 1 : 0));
}

void append_provider(const OrtApi& api, OrtSessionOptions* options, const Provider& provider) {
  std::vector<const char*> keys;
  std::vector<const char*> values;
  for (const auto& [key, value] : provider.second) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  if (provider.first == "CUDAExecutionProvider") {
    auto own = make<OrtCUDAProviderOptionsV2>(api, api.CreateCUDAProviderOptions);
    check(api, api.UpdateCUDAProviderOptions(own.get(), keys.data(), values.data(), keys.size()));
    check(api, api.SessionOptionsAppendExecutionProvider_CUDA_V2(options, own.get()));
  } else if (provider.first == "TensorrtExecutionProvider") {
    auto own = make<OrtTensorRTProviderOptionsV2>(api, api.CreateTensorRTProviderOptions);
    check(api, api.UpdateTensorRTProviderOptions(own.get(), keys.data(), values.data(), keys.size()));
    check(api, api.SessionOptionsAppendExecutionProvider_TensorRT_V2(options, own.get()));
  } else {
    check(api, api.SessionOptionsAppendExecutionProvider(options, short_name(provider.first).c_str(),
                                                         keys.data(), values.data(), keys.size()));
  }
}

/// One attempt to load a model.
class Starter {
 public:
  Starter(const Runtime& runtime, const ModelFile& file, const Settings& settings, const Choices& choices)
      : runtime_(runtime), file_(file), settings_(settings), choices_(choices) {}

  /// Throws OrtFailure.
  Handle<OrtSession> start(const std::vector<Provider>& providers) const {
    const OrtApi& api = *runtime_.api;
    auto options = session_options(runtime_, file_, settings_, choices_.config);
    for (const Provider& provider : providers) {
      if (provider.first != cpu) {
        append_provider(api, options.get(), provider);
      } else if (&provider != &providers.back()) {
        append_cpu(runtime_, options.get(), settings_.cpu_arena);
      }
    }
    return make<OrtSession>(api, api.CreateSession, static_cast<const OrtEnv*>(runtime_.env),
                            file_.path.c_str(), static_cast<const OrtSessionOptions*>(options.get()));
  }

 private:
  const Runtime& runtime_;
  const ModelFile& file_;
  const Settings& settings_;
  const Choices& choices_;
};

std::vector<std::string> available_providers(const OrtApi& api) {
  char** names = nullptr;
  int count = 0;
  check(api, api.GetAvailableProviders(&names, &count));
  std::vector<std::string> result(names, names + count);
  check(api, api.ReleaseAvailableProviders(names, count));
  return result;
}

void leave_out(const Choices& choices, const std::string& name, const std::string& reason,
               LoadedSession& loaded) {
  if (choices.strict) {
    throw Error("provider_unavailable", name, "an execution provider that starts", reason);
  }
  loaded.reasons.emplace(name, reason);
}

std::vector<Provider> usable_providers(const Runtime& runtime, const Choices& choices,
                                       LoadedSession& loaded) {
  const Array& known = table("session").list("providers");
  const std::vector<std::string> available = available_providers(*runtime.api);
  std::vector<Provider> usable;
  for (const Provider& provider : choices.providers) {
    const std::string& name = provider.first;
    if (std::none_of(known.begin(), known.end(), [&](const Json& one) { return *one.text() == name; })) {
      throw Error("provider_unknown", name, "a name of spec/session.json", quoted(name));
    }
    if (std::find(available.begin(), available.end(), name) == available.end()) {
      leave_out(choices, name, "not in this ONNX Runtime", loaded);
    } else {
      usable.push_back(provider);
    }
  }
  return usable;
}

/// Starts without the providers that fail. An error may be the model's fault or a provider's: if the CPU
/// alone takes the model, it was a provider's, and they are added again one at a time.
std::vector<Provider> start_without_failing(const Starter& starter, const ModelFile& file,
                                            const Choices& choices, const std::vector<Provider>& usable,
                                            LoadedSession& loaded) {
  try {
    loaded.session = starter.start({});
  } catch (const OrtFailure& failure) {
    throw Error("model_rejected", file.subject, "a model that this ONNX Runtime accepts", failure.what());
  }
  std::vector<Provider> kept;
  for (const Provider& provider : usable) {
    kept.push_back(provider);
    try {
      loaded.session = starter.start(kept);
    } catch (const OrtFailure& failure) {
      kept.pop_back();
      leave_out(choices, provider.first, std::string("did not start: ") + failure.what(), loaded);
    }
  }
  return kept;
}

}  // namespace

LoadedSession load_session(const Runtime& runtime, const ModelFile& file, const Settings& settings,
                           const Choices& choices) {
  LoadedSession loaded;
  std::vector<Provider> running = usable_providers(runtime, choices, loaded);
  const Starter starter(runtime, file, settings, choices);
  try {
    loaded.session = starter.start(running);
  } catch (const OrtFailure&) {
    running = start_without_failing(starter, file, choices, running, loaded);
  }
  for (const Provider& provider : running) {
    loaded.providers.push_back(provider.first);
  }
  if (std::find(loaded.providers.begin(), loaded.providers.end(), cpu) == loaded.providers.end()) {
    loaded.providers.push_back(cpu);
  }
  return loaded;
}

}  // namespace bundle::detail
