#include "library.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

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

std::string resolved(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  return real == nullptr ? path : real.get();
}

/// The SHA-256 of a file; empty where it cannot be read.
std::string digest_of(const OpenFile& file) {
  try {
    return read_content(file, {}, ".", file.size).sha256;
  } catch (const Error&) {
    return {};
  }
}

std::string digest_of(const std::string& path) {
  try {
    return digest_of(open_regular(resolved(path), path));
  } catch (const Error&) {
    return {};
  }
}

/// The file of a library as it is when the library is loaded. It is kept open, since an update deletes or
/// replaces what has its name, and hashed no sooner than asked for: that takes longer than loading it.
class LoadedFile {
 public:
  /// No file: nothing is the same.
  LoadedFile() = default;
  explicit LoadedFile(const std::string& path)
      : file_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
    if (::fstat(file_.number(), &status_) != 0 && ::stat(path.c_str(), &status_) != 0) {
      status_ = {};
    }
  }

  /// Whether what is at a path now is this file, or has its content.
  bool is_at(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0 && same_file(status, status_)) {
      return true;
    }
    const std::string& own = digest();
    return !own.empty() && own == digest_of(path);
  }

 private:
  /// Empty where the file was written since, so that nobody can tell any longer what was loaded.
  const std::string& digest() {
    struct stat status{};
    if (digest_.empty() && ::fstat(file_.number(), &status) == 0 && same_file(status, status_)) {
      // Opened anew: a process that was forked from this one shares the place to read from.
      const std::string path = "/proc/self/fd/" + std::to_string(file_.number());
      const OpenFile file{Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
                          static_cast<std::uint64_t>(status.st_size)};
      digest_ = digest_of(file);
    }
    return digest_;
  }

  Descriptor file_{-1};
  struct stat status_{};
  std::string digest_;
};

/// What this process has loaded. Never destroyed, as the library itself.
struct Process {
  std::mutex lock;
  bool looked = false;
  bool loaded_with_telemetry = false;
  std::unique_ptr<Runtime> runtime;
  /// That of `runtime`.
  LoadedFile file;
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

Error conflict(const std::string& loaded, const std::string& wanted) {
  return refusal("library_conflict", "the library that is loaded already, " + quoted_path(loaded), wanted);
}

/// Refuses a library when another one is in this process already.
void check_conflict(Process& state, const std::string& path) {
  if (state.runtime != nullptr) {
    // Not by its path: a device proves every bundle at the same one.
    if (!state.file.is_at(path)) {
      throw conflict(state.runtime->path, quoted_path(path));
    }
    return;
  }
  for (const std::string& mapped : mapped_runtimes()) {
    // One that the system's loader found is mapped itself, by now perhaps without a file.
    if (is_runtime_library(mapped) && mapped != path && !LoadedFile(mapped).is_at(path)) {
      throw conflict(mapped, quoted_path(path));
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
    // It may be closed now, with what runs in it.
    if (env == nullptr && runtime->env != nullptr) {
      api.ReleaseEnv(runtime->env);
    }
    throw refusal("library_malformed", "a library that starts", failure.what());
  }
  return runtime;
}

/// A library that is open in this process, until it is taken.
struct Opened {
  LibraryHandle handle;
  std::string path;
  LoadedFile file;
};

Opened open_file(const std::string& path) {
  LoadedFile file(path);
  LibraryHandle handle(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (handle == nullptr) {
    throw refusal("library_malformed", "a library that can be opened", ::dlerror());
  }
  return {std::move(handle), path, std::move(file)};
}

Opened open_system(Process& state) {
  for (const char* name : {"libonnxruntime.so.1", "libonnxruntime.so"}) {
    if (LibraryHandle handle{::dlopen(name, RTLD_NOW | RTLD_LOCAL)}) {
      const std::string path = path_of(handle);
      check_conflict(state, path);
      return {std::move(handle), path, LoadedFile(path)};
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

/// The bundle's own library, hashed just before it is loaded.
std::string bundled(const LibraryRequest& request) {
  const std::string& subject = request.bundled.path;
  const OpenFile file = open_regular(request.bundled_path, subject);
  const std::string digest = read_content(file, {}, subject, file.size).sha256;
  if (digest != request.bundled.sha256) {
    throw Error("file_digest_mismatch", subject, request.bundled.sha256, digest);
  }
  return request.bundled_path;
}

/// The file that the caller, the environment or the bundle names; empty where none does.
std::string named(const LibraryRequest& request) {
  if (request.library != nullptr) {
    return absolute(*request.library);
  }
  const char* variable = std::getenv(library_variable);
  if (variable != nullptr && *variable != '\0') {
    return absolute(variable);
  }
  return request.bundled_path.empty() ? "" : bundled(request);
}

const OrtApiBase* base_of(const Opened& library) {
  using GetApiBase = const OrtApiBase* (*)();
  const auto function = reinterpret_cast<GetApiBase>(::dlsym(library.handle.get(), "OrtGetApiBase"));
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
    throw conflict(state.runtime->path, "another one, handed in");
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
  const std::string path = named(request);
  const std::string version = path.empty() ? "" : state.checked.check(path);
  check_telemetry(state, request);
  if (!path.empty()) {
    check_conflict(state, path);
  }
  if (state.runtime != nullptr) {
    check_loaded(state.runtime->base, request);
    return *state.runtime;
  }
  if (!version.empty()) {
    check_version(version, request);
  }
  Opened library = path.empty() ? open_system(state) : open_file(path);
  state.runtime = take(base_of(library), request, nullptr);
  state.runtime->library = library.handle.release();
  state.runtime->path = std::move(library.path);
  state.file = std::move(library.file);
  return *state.runtime;
}

}  // namespace bundle::detail
