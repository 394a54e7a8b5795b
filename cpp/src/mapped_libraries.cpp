#include "mapped_libraries.hpp"

#include <dlfcn.h>
#include <link.h>

#include "text.hpp"

namespace bundle::detail {

namespace {

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

int note(dl_phdr_info* info, std::size_t /*size*/, void* list) {
  const std::string path = info->dlpi_name == nullptr ? "" : info->dlpi_name;
  if (is_runtime_library(path) || begins_with(file_name(path), "onnxruntime_pybind11_state")) {
    static_cast<std::vector<std::string>*>(list)->push_back(path);
  }
  return 0;
}

}  // namespace

void CloseLibrary::operator()(void* handle) const { ::dlclose(handle); }

std::string path_of(const LibraryHandle& library) {
  const link_map* map = nullptr;
  const bool known = ::dlinfo(library.get(), RTLD_DI_LINKMAP, static_cast<void*>(&map)) == 0 &&
                     map != nullptr && map->l_name != nullptr;
  return known ? map->l_name : "";
}

std::vector<std::string> mapped_runtimes() {
  std::vector<std::string> paths;
  ::dl_iterate_phdr(note, &paths);
  return paths;
}

bool is_runtime_library(const std::string& path) { return begins_with(file_name(path), "libonnxruntime.so"); }

}  // namespace bundle::detail
