// What this program says of itself.
#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "driver.hpp"
#include "manifest_data.hpp"
#include "spec.hpp"

namespace bundle::driver {

using detail::Array;
using detail::Json;

namespace {

/// Every code that this program can give (DRIVER.md): a row that names languages belongs to those alone.
std::vector<std::string> codes() {
  static constexpr std::array<std::string_view, 5> stages = {"manifest", "open", "library", "predict",
                                                             "update"};
  std::vector<std::string> list;
  for (const Json& row : detail::table("errors").list("errors")) {
    const Array& languages = row.list("runtimes");
    auto own = [](const Json& language) { return *language.text() == "cpp"; };
    const bool other = !languages.empty() && std::none_of(languages.begin(), languages.end(), own);
    const std::string& stage = row.str("stage");
    const bool mine = std::find(stages.begin(), stages.end(), stage) != stages.end();
    if (!other && (mine || row.str("code") == "usage_invalid")) {
      list.push_back(row.str("code"));
    }
  }
  std::sort(list.begin(), list.end());
  return list;
}

}  // namespace

Json describe() {
  Json library;
  try {
    library = Json{runtime_version()};
  } catch (const Error&) {
    library = Json{};
  }
  Array list;
  for (const std::string& code : codes()) {
    list.push_back(Json{code});
  }
  return detail::make_object({{"language", Json{std::string("cpp")}},
                              {"version", Json{std::string(version())}},
                              {"format_versions", Json{Array{Json{std::int64_t{detail::format_version}}}}},
                              {"onnxruntime", library},
                              {"codes", Json{std::move(list)}}});
}

}  // namespace bundle::driver
