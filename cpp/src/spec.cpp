#include "spec.hpp"

#include <map>
#include <stdexcept>
#include <string>

namespace bundle::detail {

namespace {

std::map<std::string_view, Json> read_tables() {
  std::map<std::string_view, Json> tables;
  for (const auto& [name, text] : spec_sources()) {
    tables.emplace(name, parse_lenient(text));
  }
  return tables;
}

}  // namespace

const Json& table(std::string_view name) {
  // Never destroyed: a predictor may be closed by a destructor that runs at the end of the process.
  static const auto& tables = *new std::map<std::string_view, Json>(read_tables());
  return tables.at(name);
}

}  // namespace bundle::detail
