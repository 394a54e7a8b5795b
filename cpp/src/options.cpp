#include "bundle/options.hpp"

#include <utility>

#include "bundle/error.hpp"
#include "option_tree.hpp"

namespace bundle {

using detail::Json;

Options::Options() : tree_(std::make_unique<detail::OptionTree>()) {}
Options::~Options() = default;
Options::Options(const Options& other) : tree_(std::make_unique<detail::OptionTree>(*other.tree_)) {}
Options::Options(Options&& other) noexcept = default;
Options& Options::operator=(Options&& other) noexcept = default;

Options& Options::operator=(const Options& other) {
  *this = Options(other);
  return *this;
}

Options Options::from_json(std::string_view text) {
  const Json tree = detail::parse_lenient(text);
  if (tree.object() == nullptr) {
    throw Error("usage_invalid", "options", "a JSON object", "another text");
  }
  Options options;
  for (const detail::Member& member : *tree.object()) {
    options.tree_->values.insert_or_assign(member.key, member.value);
  }
  return options;
}

Options& Options::set(const std::string& name, bool value) {
  tree_->values[name] = Json{value};
  return *this;
}

Options& Options::set(const std::string& name, int value) {
  return set(name, static_cast<std::int64_t>(value));
}

Options& Options::set(const std::string& name, std::int64_t value) {
  tree_->values[name] = Json{value};
  return *this;
}

Options& Options::set(const std::string& name, const char* value) { return set(name, std::string(value)); }

Options& Options::set(const std::string& name, const std::string& value) {
  tree_->values[name] = Json{value};
  return *this;
}

Options& Options::set(const std::string& name, const std::vector<std::string>& values) {
  detail::Array items;
  for (const std::string& value : values) {
    items.push_back(Json{value});
  }
  tree_->values[name] = Json{std::move(items)};
  return *this;
}

Options& Options::set(const std::string& name, const std::map<std::string, std::string>& values) {
  std::vector<detail::Member> members;
  for (const auto& [key, value] : values) {
    members.push_back({key, Json{value}});
  }
  tree_->values[name] = detail::make_object(std::move(members));
  return *this;
}

Options& Options::unset(const std::string& name) {
  tree_->values.erase(name);
  return *this;
}

Options& Options::provider(const std::string& name, const std::map<std::string, std::string>& options) {
  std::vector<detail::Member> members;
  for (const auto& [key, value] : options) {
    members.push_back({key, Json{value}});
  }
  Json& list = tree_->values["providers"];
  if (list.array() == nullptr) {
    list = Json{detail::Array{}};
  }
  std::get<detail::Array>(list.value)
      .push_back(Json{detail::Array{Json{name}, detail::make_object(std::move(members))}});
  return *this;
}

Options& Options::host(const void* api_base, void* env) {
  tree_->host = {api_base, env};
  return *this;
}

}  // namespace bundle
