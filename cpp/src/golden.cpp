#include "golden.hpp"

#include <limits>

#include "bundle/error.hpp"
#include "files.hpp"
#include "safetensors.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

/// Every key that a golden file may have.
std::map<std::string, const Port*> known_keys(const ManifestData& manifest) {
  std::map<std::string, const Port*> keys;
  for (const Port& port : manifest.inputs) {
    keys.emplace("inputs/" + port.name, &port);
  }
  for (const Port& port : manifest.outputs) {
    keys.emplace("source/" + port.name, &port);
    for (const Variant& variant : manifest.variants) {
      keys.emplace("recorded/" + variant.name + "/" + port.name, &port);
    }
  }
  return keys;
}

void check_keys(const TensorMap& tensors, const ManifestData& manifest) {
  const auto keys = known_keys(manifest);
  for (const auto& [key, tensor] : tensors) {
    const auto place = keys.find(key);
    if (place == keys.end()) {
      throw TensorFileError(quoted(key) + " is neither an input, nor an output of the source or a variant");
    }
    if (tensor.dtype() != place->second->dtype || tensor.shape().size() != place->second->shape.size()) {
      throw TensorFileError(quoted(key) + " is not of the manifest's dtype and rank");
    }
  }
}

TensorMap select(const TensorMap& tensors, const std::string& prefix, const std::vector<Port>& ports,
                 bool complete) {
  TensorMap selected;
  for (const Port& port : ports) {
    const auto place = tensors.find(prefix + port.name);
    if (place != tensors.end()) {
      selected.emplace(port.name, place->second);
    } else if (complete) {
      throw TensorFileError(quoted(prefix + port.name) + " is not there");
    }
  }
  return selected;
}

}  // namespace

GoldenCase load_case(const Bundle& bundle, const GoldenFile& file, const std::string& variant) {
  const ManifestData& manifest = bundle.manifest().data();
  const OpenFile opened = open_regular(bundle.path() + "/" + file.path, file.path);
  const auto bytes =
      std::make_shared<std::string>(read_head(opened, std::numeric_limits<std::uint64_t>::max(), file.path));
  try {
    const TensorMap tensors = read_tensors(bytes);
    check_keys(tensors, manifest);
    return {select(tensors, "inputs/", manifest.inputs, true),
            select(tensors, "source/", manifest.outputs, false),
            select(tensors, "recorded/" + variant + "/", manifest.outputs, true)};
  } catch (const TensorFileError& fault) {
    throw Error("golden_malformed", file.path, "a golden file of the format", fault.what());
  }
}

}  // namespace bundle::detail
