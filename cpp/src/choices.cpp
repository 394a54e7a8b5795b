// The options of a predictor: check P1, and their precedence.
#include <algorithm>
#include <functional>
#include <utility>

#include "bundle/error.hpp"
#include "option_tree.hpp"
#include "spec.hpp"
#include "text.hpp"
#include "threads.hpp"

namespace bundle::detail {

namespace {

Error invalid(const std::string& name, const std::string& expected, const Json& found) {
  return {"option_invalid", name, expected, dump(found)};
}

bool flag(const std::string& name, const Json& value) {
  if (value.boolean() == nullptr) {
    throw invalid(name, "true or false", value);
  }
  return *value.boolean();
}

const std::string& text(const std::string& name, const Json& value) {
  if (value.text() == nullptr) {
    throw invalid(name, "text", value);
  }
  return *value.text();
}

bool among(const Array& words, const std::string& word) {
  return std::any_of(words.begin(), words.end(), [&](const Json& one) { return *one.text() == word; });
}

const std::string& word(const std::string& name, const Json& value, const Array& words) {
  if (value.text() == nullptr || !among(words, *value.text())) {
    throw invalid(name, "one of " + dump(Json{words}), value);
  }
  return *value.text();
}

Array words(std::initializer_list<const char*> list) {
  Array result;
  for (const char* one : list) {
    result.push_back(Json{std::string(one)});
  }
  return result;
}

/// Judges a setting by its row of spec/session.json.
void check_setting(const std::string& name, const Json& value, const Json& row) {
  const std::string& type = row.str("type");
  if (type == "boolean") {
    flag(name, value);
  } else if (type == "string") {
    word(name, value, row.list("enum"));
  } else if (value.integer() == nullptr || *value.integer() < row.num("minimum") ||
             *value.integer() > row.num("maximum")) {
    throw invalid(name, "an integer from " + dump(row.at("minimum")) + " to " + dump(row.at("maximum")),
                  value);
  }
}

std::set<std::string> finite_names(const std::string& name, const Json& value, const ManifestData& manifest) {
  std::set<std::string> names;
  if (value.array() == nullptr) {
    throw invalid(name, "a list of input names", value);
  }
  for (const Json& entry : *value.array()) {
    auto is_named = [&](const Port& port) { return port.name == text(name, entry); };
    if (std::none_of(manifest.inputs.begin(), manifest.inputs.end(), is_named)) {
      throw invalid(name, "names of inputs", entry);
    }
    names.insert(*entry.text());
  }
  return names;
}

std::map<std::string, std::string> config_entries(const std::string& name, const Json& value) {
  std::map<std::string, std::string> entries;
  if (value.object() == nullptr) {
    throw invalid(name, "an object of text", value);
  }
  for (const Member& member : *value.object()) {
    if (!among(table("session").list("config_allow_list"), member.key)) {
      throw invalid(member.key, "a key of the list of allowed ones", member.value);
    }
    entries[member.key] = text(member.key, member.value);
  }
  return entries;
}

Provider provider_of(const std::string& name, const Json& value) {
  if (value.text() != nullptr) {
    return {*value.text(), {}};
  }
  const Array* pair = value.array();
  const bool sound =
      pair != nullptr && pair->size() == 2 && (*pair)[0].text() != nullptr && (*pair)[1].object() != nullptr;
  if (!sound) {
    throw invalid(name, "a provider's name, or its name and an object of options", value);
  }
  Provider provider{*(*pair)[0].text(), {}};
  for (const Member& member : *(*pair)[1].object()) {
    const Json& option = member.value;
    if (const bool* boolean = option.boolean()) {
      provider.second[member.key] = *boolean ? "1" : "0";
    } else if (option.integer() != nullptr) {
      provider.second[member.key] = std::to_string(*option.integer());
    } else {
      provider.second[member.key] = text(name, option);
    }
  }
  return provider;
}

std::vector<Provider> provider_list(const std::string& name, const Json& value) {
  if (value.array() == nullptr || value.array()->empty()) {
    throw invalid(name, "a list of providers that is not empty", value);
  }
  std::vector<Provider> providers;
  for (const Json& entry : *value.array()) {
    Provider provider = provider_of(name, entry);
    // A name that stands twice counts where it stands first, as in ONNX Runtime.
    auto same = [&](const Provider& other) { return other.first == provider.first; };
    if (std::none_of(providers.begin(), providers.end(), same)) {
      providers.push_back(std::move(provider));
    }
  }
  return providers;
}

using Reader = std::function<void(const std::string&, const Json&, const ManifestData&, Choices&)>;

const std::map<std::string, Reader>& readers() {
  using Name = const std::string&;
  using Value = const Json&;
  using Data = const ManifestData&;
  static const std::map<std::string, Reader> all = {
      {"allow_foreign_target",
       [](Name n, Value v, Data, Choices& c) { c.allow_foreign_target = flag(n, v); }},
      {"allow_telemetry", [](Name n, Value v, Data, Choices& c) { c.allow_telemetry = flag(n, v); }},
      {"config", [](Name n, Value v, Data, Choices& c) { c.config = config_entries(n, v); }},
      {"finite", [](Name n, Value v, Data m, Choices& c) { c.finite = finite_names(n, v, m); }},
      {"format", [](Name n, Value v, Data, Choices& c) { c.format = word(n, v, words({"onnx", "ort"})); }},
      {"library", [](Name n, Value v, Data, Choices& c) { c.library = text(n, v); }},
      {"provider_policy",
       [](Name n, Value v, Data, Choices& c) {
         c.strict = word(n, v, words({"fallback", "strict"})) == "strict";
       }},
      {"providers", [](Name n, Value v, Data, Choices& c) { c.providers = provider_list(n, v); }},
      {"trust_bundle_library",
       [](Name n, Value v, Data, Choices& c) { c.trust_bundle_library = flag(n, v); }},
      {"variant", [](Name n, Value v, Data, Choices& c) { c.variant = text(n, v); }},
  };
  return all;
}

const std::string& digest_option(const Json& value) {
  const std::string& digest = text("digest", value);
  if (!is_digest(digest)) {
    throw invalid("digest", "64 lower-case hex digits", value);
  }
  return digest;
}

}  // namespace

OpeningOptions opening_options(const OptionTree& tree) {
  OpeningOptions opening;
  if (const auto place = tree.values.find("digest"); place != tree.values.end()) {
    opening.digest = digest_option(place->second);
  }
  if (const auto place = tree.values.find("mode"); place != tree.values.end()) {
    opening.full = word("mode", place->second, words({"full", "quick"})) == "full";
  }
  return opening;
}

UpdateOptions update_options(const Options& options) {
  UpdateOptions update;
  for (const auto& [name, value] : options.tree().values) {
    if (name == "digest") {
      update.digest = digest_option(value);
    } else if (name == "max_bytes") {
      if (value.integer() == nullptr || *value.integer() < 1) {
        throw invalid(name, "an integer from 1 to 2^53 - 1", value);
      }
      update.max_bytes = *value.integer();
    } else if (name == "mode") {
      throw invalid(name, "nothing: an update makes every check", value);
    } else if (name == "replace") {
      update.replace = flag(name, value);
    }
  }
  update.opening = options;
  update.opening.unset("digest").unset("max_bytes").unset("replace");
  return update;
}

Choices choose_options(const OptionTree& tree, const ManifestData& manifest) {
  Choices choices;
  const Json& rows = table("session").at("options");
  for (const auto& [name, value] : tree.values) {
    if (name == "digest" || name == "mode") {
      continue;
    }
    if (const Json* row = rows.find(name)) {
      check_setting(name, value, *row);
      choices.session.emplace(name, value);
    } else if (const auto reader = readers().find(name); reader != readers().end()) {
      reader->second(name, value, manifest, choices);
    } else {
      throw invalid(name, "an option of the format", value);
    }
  }
  const auto mapped = choices.session.find("mapped");
  if (mapped != choices.session.end() && *mapped->second.boolean() && choices.format == "onnx") {
    throw Error("option_invalid", "mapped", "format `ort`, the only one that can be mapped", "format `onnx`");
  }
  if (choices.providers.empty()) {
    choices.providers.push_back({"CPUExecutionProvider", {}});
  }
  return choices;
}

Settings settle(const Choices& choices, const ManifestData& manifest, const Variant& variant) {
  const Json& rows = table("session").at("options");
  auto value = [&](const std::string& name) -> const Json& {
    if (const auto given = choices.session.find(name); given != choices.session.end()) {
      return given->second;
    }
    const Json* own = manifest.session.find(name);
    return own == nullptr ? rows.at(name).at("default") : *own;
  };
  Settings settings{};
  settings.allow_spinning = *value("allow_spinning").boolean();
  settings.cpu_arena = *value("cpu_arena").boolean();
  settings.mapped = *value("mapped").boolean();
  settings.memory_pattern = *value("memory_pattern").boolean();
  settings.inter_op_threads = *value("inter_op_threads").integer();
  settings.intra_op_threads = *value("intra_op_threads").integer();
  settings.graph_optimization_level = *value("graph_optimization_level").text();
  if (variant.threads && choices.session.count("intra_op_threads") == 0) {
    settings.intra_op_threads = *variant.threads;
  }
  settings.inter_op_threads = effective_threads(settings.inter_op_threads);
  settings.intra_op_threads = effective_threads(settings.intra_op_threads);
  return settings;
}

std::map<std::string, Setting> listed(const Settings& settings) {
  return {{"allow_spinning", settings.allow_spinning},
          {"cpu_arena", settings.cpu_arena},
          {"graph_optimization_level", settings.graph_optimization_level},
          {"inter_op_threads", settings.inter_op_threads},
          {"intra_op_threads", settings.intra_op_threads},
          {"mapped", settings.mapped},
          {"memory_pattern", settings.memory_pattern}};
}

}  // namespace bundle::detail
