#include "bundle/manifest.hpp"

#include <cstring>
#include <utility>

#include "bundle/error.hpp"
#include "dtype.hpp"
#include "manifest_data.hpp"
#include "sha256.hpp"

namespace bundle {

namespace detail {

void check_manifest_size(std::size_t bytes) {
  if (bytes > max_manifest) {
    throw Error("manifest_too_large", "", "at most " + std::to_string(max_manifest) + " bytes", "more");
  }
}

namespace {

Json read_tree(std::string_view bytes) {
  Parsed parsed;
  try {
    parsed = parse_json(bytes, max_depth, true);
  } catch (const Malformed& fault) {
    throw Error("manifest_malformed", "", "one JSON text in UTF-8", fault.what());
  }
  if (!parsed.deviation.empty()) {
    throw Error("manifest_not_canonical", "", "canonical JSON", parsed.deviation);
  }
  return std::move(parsed.tree);
}

void check_version(const Json& tree) {
  if (tree.object() == nullptr) {
    throw Error("manifest_field_type", "", "object", tree.type());
  }
  const std::string pointer = "/format_version";
  const Json* version = tree.find("format_version");
  if (version == nullptr) {
    throw Error("manifest_field_missing", pointer, "the key", "nothing");
  }
  if (version->integer() == nullptr) {
    throw Error("manifest_field_type", pointer, "integer", version->type());
  }
  if (*version->integer() != format_version) {
    throw Error("format_version_unsupported", pointer, std::to_string(format_version),
                std::to_string(*version->integer()));
  }
}

std::string optional_text(const Json& tree, std::string_view key) {
  const Json* found = tree.find(key);
  return found == nullptr ? std::string() : *found->text();
}

std::int64_t optional_number(const Json& entry, std::string_view key) {
  const Json* found = entry.find(key);
  return found == nullptr ? 0 : *found->integer();
}

std::vector<Port> ports(const Array& entries) {
  std::vector<Port> result;
  for (const Json& entry : entries) {
    Port port;
    port.name = entry.str("name");
    port.dtype = row_by_word(entry.str("dtype"))->dtype;
    for (const Json& size : entry.list("shape")) {
      if (size.text() != nullptr) {
        port.shape.emplace_back(*size.text());
      } else {
        port.shape.emplace_back(*size.integer());
      }
    }
    const Json* finite = entry.find("finite");
    port.finite = finite != nullptr && *finite->boolean();
    port.decision = optional_text(entry, "decision");
    port.meaning = optional_text(entry, "meaning");
    result.push_back(std::move(port));
  }
  return result;
}

/// The float32 of a bit pattern in hex: `3f000000` is 0.5.
double float_of(const Json& entry, std::string_view key) {
  const Json* found = entry.find(key);
  if (found == nullptr) {
    return 0;
  }
  const auto bits = static_cast<std::uint32_t>(std::stoul(*found->text(), nullptr, 16));
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return static_cast<double>(value);
}

Variant variant(const Json& entry) {
  Variant result{};
  result.name = entry.str("name");
  result.cpu_class = entry.str("cpu_class");
  result.minimum_runtime = entry.str("minimum_runtime");
  result.writer = entry.str("writer");
  for (const Member& file : *entry.at("files").object()) {
    result.files.emplace(file.key, *file.value.text());
  }
  result.batch_invariant = *entry.at("batch_invariant").boolean();
  for (const Json& item : entry.list("tolerances")) {
    const double quanta = item.find("quanta") == nullptr ? 0 : static_cast<double>(item.num("quanta"));
    result.tolerances.push_back({item.str("word"), float_of(item, "bound"), quanta, float_of(item, "step")});
  }
  if (entry.find("threads") != nullptr) {
    result.threads = entry.num("threads");
  }
  return result;
}

void add_batch(const Json& tree, ManifestData& data) {
  if (const Json* batch = tree.find("batch")) {
    data.batch_symbol = optional_text(*batch, "symbol");
    if (batch->find("size") != nullptr) {
      data.batch_size = batch->num("size");
    }
  }
}

ManifestData build(Json& tree, std::string_view bytes) {
  ManifestData data;
  data.bytes = bytes;
  data.digest = sha256_hex(bytes);
  data.name = tree.at("model").str("name");
  data.version = tree.at("model").str("version");
  data.arch = tree.at("target").str("arch");
  data.default_variant = tree.str("default_variant");
  data.runtime_minimum = tree.at("runtime").str("minimum");
  data.runtime_library = optional_text(tree.at("runtime"), "library");
  data.api_minimum = optional_number(tree.at("runtime"), "api_minimum");
  data.ort_format = optional_number(tree.at("runtime"), "ort_format");
  data.inputs = ports(tree.list("inputs"));
  data.outputs = ports(tree.list("outputs"));
  for (const Json& entry : tree.list("variants")) {
    data.variants.push_back(variant(entry));
  }
  for (const Json& entry : tree.list("files")) {
    data.files.push_back({entry.str("path"), entry.num("size"), entry.str("sha256")});
  }
  for (const Json& entry : tree.list("golden")) {
    data.golden.push_back({entry.str("name"), entry.str("path")});
  }
  add_batch(tree, data);
  data.has_states = !tree.list("states").empty();
  const Json* session = tree.find("session");
  data.session = session == nullptr ? make_object({}) : *session;
  if (const Json* metadata = tree.find("metadata")) {
    for (const Member& entry : *metadata->object()) {
      data.metadata.emplace(entry.key, *entry.value.text());
    }
  }
  return data;
}

}  // namespace

}  // namespace detail

Manifest Manifest::parse(std::string_view bytes) {
  detail::check_manifest_size(bytes.size());
  detail::Json tree = detail::read_tree(bytes);
  detail::check_version(tree);
  detail::check_schema(tree);
  detail::check_consistency(tree);
  return Manifest(std::make_shared<const detail::ManifestData>(detail::build(tree, bytes)));
}

const std::string& Manifest::name() const noexcept { return data_->name; }
const std::string& Manifest::version() const noexcept { return data_->version; }
const std::string& Manifest::digest() const noexcept { return data_->digest; }
const std::vector<Port>& Manifest::inputs() const noexcept { return data_->inputs; }
const std::vector<Port>& Manifest::outputs() const noexcept { return data_->outputs; }
const std::string& Manifest::default_variant() const noexcept { return data_->default_variant; }
const std::map<std::string, std::string>& Manifest::metadata() const noexcept { return data_->metadata; }
const std::string& Manifest::bytes() const noexcept { return data_->bytes; }

std::vector<std::string> Manifest::variants() const {
  std::vector<std::string> names;
  for (const detail::Variant& variant : data_->variants) {
    names.push_back(variant.name);
  }
  return names;
}

}  // namespace bundle
