#include "library.hpp"

#include <dlfcn.h>
#include <link.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "bundle/error.hpp"
#include "elf.hpp"
#include "files.hpp"
#include "mapped_libraries.hpp"
#include "needs.hpp"
#include "spec.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

constexpr const char* telemetry_switch = "ORT_DISABLE_TELEMETRY";
constexpr const char* library_variable = "ORT_DYLIB_PATH";

Error refusal(const char* code, const std::string& expected, const std::string& found) {
  return {code, ".", expected, found};
}

/// What this process has loaded. Never destroyed, as the library itself.
struct Process {
  std::mutex lock;
  bool looked = false;
  bool loaded_with_telemetry = false;
  std::unique_ptr<Runtime> runtime;
  CheckedFile checked;
  std::vector<std::unique_ptr<Runtime>> handed_in;
};

Process& process() {
  static auto& state = *new Process;
  return state;
}

/// Notes how the library was loaded, if it is there already, and turns telemetry off for what comes.
void turn_telemetry_off(Process& state, const LibraryRequest& request) {
  const char* value = std::getenv(telemetry_switch);
  const bool off = value != nullptr && std::string(value) == "1";
  if (!state.looked) {
    const bool loaded = request.host.api_base != nullptr || !mapped_runtimes().empty();
    state.loaded_with_telemetry = loaded && !off;
    state.looked = true;
  }
  // Looked at every time, since the host program may have removed it; written only then, since its other
  // threads may read the environment.
  if (!off) {
    ::setenv(telemetry_switch, "1", 1);
  }
}

void check_telemetry(const Process& state, const LibraryRequest& request) {
  if (state.loaded_with_telemetry && !request.allow_telemetry) {
    throw refusal("telemetry_active", "an ONNX Runtime that was loaded with telemetry off",
                  std::string("one that was loaded without ") + telemetry_switch + "=1");
  }
}

bool same_file(const std::string& one, const std::string& other) {
  struct stat first{};
  struct stat second{};
  return ::stat(one.c_str(), &first) == 0 && ::stat(other.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

std::string digest_of(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  const OpenFile file = open_regular(real == nullptr ? path : real.get(), path);
  return read_content(file, {}, path, file.size).sha256;
}

/// Refuses a library when another one is in this process already.
void check_conflict(const Process& state, const std::string& path) {
  std::vector<std::string> others;
  for (const std::string& mapped : mapped_runtimes()) {
    if (is_runtime_library(mapped)) {
      others.push_back(mapped);
    }
  }
  if (state.runtime != nullptr) {
    others.push_back(state.runtime->path);
  }
  for (const std::string& other : others) {
    if (!same_file(path, other) && status_of(other) && digest_of(path) != digest_of(other)) {
      throw refusal("library_conflict", "the library that is loaded already, " + quoted_path(other),
                    quoted_path(path));
    }
  }
}

/// The C API that this library asks for: the oldest that has every function used here, so that a library
/// which is older than the bundle's minimum is refused by its version and not by a missing table.
std::int64_t own_api() { return table("library").at("readers").num("cpp"); }

const OrtApi* functions_of(const OrtApiBase* base) {
  return base->GetApi(static_cast<std::uint32_t>(own_api()));
}

Error lacks_api(std::int64_t wanted, const std::string& version) {
  return refusal("library_api", "a library with C API " + std::to_string(wanted), version);
}

/// Checks L9 and L10 by the version alone.
void check_version(const std::string& version, const LibraryRequest& request) {
  std::string needed = table("session").str("minimum_runtime");
  for (const std::string& other : request.minimum) {
    if (version_numbers(needed) < version_numbers(other)) {
      needed = other;
    }
  }
  if (version_numbers(version) < version_numbers(needed)) {
    throw refusal("library_too_old", "ONNX Runtime " + needed + " or newer", version);
  }
  const auto numbers = version_numbers(version);
  const std::int64_t wanted = std::max(own_api(), request.api);
  if (numbers[0] == 1 && numbers[1] < wanted) {
    throw lacks_api(wanted, version);
  }
}

/// The same of a library that is loaded, and by what it gives.
void check_loaded(const OrtApiBase* base, const LibraryRequest& request) {
  const std::string version = base->GetVersionString();
  check_version(version, request);
  const std::int64_t wanted = std::max(own_api(), request.api);
  if (base->GetApi(static_cast<std::uint32_t>(wanted)) == nullptr) {
    throw lacks_api(wanted, version);
  }
}

std::unique_ptr<Runtime> take(const OrtApiBase* base, const LibraryRequest& request, OrtEnv* env) {
  check_loaded(base, request);
  auto runtime = std::make_unique<Runtime>();
  runtime->base = base;
  runtime->version = base->GetVersionString();
  runtime->api = functions_of(base);
  const OrtApi& api = *runtime->api;
  try {
    runtime->env = env;
    if (env == nullptr) {
      check(api, api.CreateEnv(ORT_LOGGING_LEVEL_FATAL, "bundle", &runtime->env));
    }
    check(api, api.GetAllocatorWithDefaultOptions(&runtime->allocator));
    check(api, api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &runtime->memory));
  } catch (const OrtFailure& failure) {
    throw refusal("library_malformed", "a library that starts", failure.what());
  }
  return runtime;
}

/// A library that is open in this process.
struct Opened {
  void* handle;
  std::string path;
};

Opened opened(void* handle, const std::string& name) {
  const link_map* map = nullptr;
  const bool known = ::dlinfo(handle, RTLD_DI_LINKMAP, static_cast<void*>(&map)) == 0 && map != nullptr &&
                     map->l_name != nullptr;
  return {handle, known ? map->l_name : name};
}

Opened open_file(Process& state, const LibraryRequest& request, const std::string& path) {
  const std::string& version = state.checked.check(path);
  check_telemetry(state, request);
  check_conflict(state, path);
  if (!version.empty()) {
    check_version(version, request);
  }
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    throw refusal("library_malformed", "a library that can be opened", ::dlerror());
  }
  return opened(handle, path);
}

Opened open_bundled(Process& state, const LibraryRequest& request) {
  const std::string& subject = request.bundled.path;
  const OpenFile file = open_regular(request.bundled_path, subject);
  const std::string digest = read_content(file, {}, subject, file.size).sha256;
  if (digest != request.bundled.sha256) {
    throw Error("file_digest_mismatch", subject, request.bundled.sha256, digest);
  }
  return open_file(state, request, request.bundled_path);
}

Opened open_system(const Process& state, const LibraryRequest& request) {
  for (const char* name : {"libonnxruntime.so.1", "libonnxruntime.so"}) {
    if (void* handle = ::dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
      Opened found = opened(handle, name);
      check_telemetry(state, request);
      check_conflict(state, found.path);
      return found;
    }
  }
  throw refusal("library_not_found",
                "ONNX Runtime by option `library`, " + std::string(library_variable) +
                    ", the bundle's `lib/` with `trust_bundle_library`, or as libonnxruntime.so.1 or "
                    "libonnxruntime.so of the system",
                "a library at none of these");
}

std::string absolute(const std::string& path) {
  if (!path.empty() && path[0] == '/') {
    return path;
  }
  const std::unique_ptr<char, decltype(&std::free)> folder(::realpath(".", nullptr), &std::free);
  return std::string(folder == nullptr ? "" : folder.get()) + "/" + path;
}

Opened open_first(Process& state, const LibraryRequest& request) {
  if (request.library != nullptr) {
    return open_file(state, request, absolute(*request.library));
  }
  const char* variable = std::getenv(library_variable);
  if (variable != nullptr && *variable != '\0') {
    return open_file(state, request, absolute(variable));
  }
  return request.bundled_path.empty() ? open_system(state, request) : open_bundled(state, request);
}

const OrtApiBase* base_of(const Opened& library) {
  using GetApiBase = const OrtApiBase* (*)();
  const auto function = reinterpret_cast<GetApiBase>(::dlsym(library.handle, "OrtGetApiBase"));
  const OrtApiBase* base = function == nullptr ? nullptr : function();
  if (base == nullptr || base->GetApi == nullptr || base->GetVersionString == nullptr) {
    throw refusal("library_malformed", "an ONNX Runtime library at " + quoted_path(library.path),
                  "another library");
  }
  return base;
}

const Runtime& take_from_host(Process& state, const LibraryRequest& request) {
  const auto* base = static_cast<const OrtApiBase*>(request.host.api_base);
  for (const auto& known : state.handed_in) {
    if (known->api == functions_of(base) && (request.host.env == nullptr || request.host.env == known->env)) {
      check_loaded(base, request);
      return *known;
    }
  }
  if (state.runtime != nullptr && state.runtime->api != functions_of(base)) {
    throw refusal("library_conflict",
                  "the library that is loaded already, " + quoted_path(state.runtime->path),
                  "another one, handed in");
  }
  state.handed_in.push_back(take(base, request, static_cast<OrtEnv*>(request.host.env)));
  return *state.handed_in.back();
}

}  // namespace

const Runtime& load_runtime(const LibraryRequest& request) {
  Process& state = process();
  const std::lock_guard<std::mutex> guard(state.lock);
  turn_telemetry_off(state, request);
  if (request.host.api_base != nullptr) {
    check_telemetry(state, request);
    return take_from_host(state, request);
  }
  const Opened library = open_first(state, request);
  const OrtApiBase* base = base_of(library);
  if (state.runtime != nullptr) {
    check_loaded(state.runtime->base, request);
    return *state.runtime;
  }
  std::unique_ptr<Runtime> runtime = take(base, request, nullptr);
  runtime->library = library.handle;
  runtime->path = library.path;
  state.runtime = std::move(runtime);
  return *state.runtime;
}

}  // namespace bundle::detail
