// The tables of spec/, embedded when the library is built.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "json.hpp"

namespace bundle::detail {

/// Generated: the name and text of each table.
const std::vector<std::pair<std::string_view, std::string_view>>& spec_sources();

/// Returns the table `spec/NAME.json`. Safe from any thread; lives for ever.
const Json& table(std::string_view name);

}  // namespace bundle::detail
