// What a model asks for and gives against what the manifest promises: check P6.
#include <algorithm>

#include "bundle/error.hpp"
#include "dtype.hpp"
#include "session.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

/// A tensor as the library describes it.
struct ModelPort {
  std::string name;
  /// Null for what is no tensor of the format.
  const DTypeRow* row = nullptr;
  /// -1 where the size is open.
  std::vector<std::int64_t> shape;
};

/// The functions of the API about one side of a model.
struct Side {
  decltype(OrtApi::SessionGetInputCount) count;
  decltype(OrtApi::SessionGetInputName) name;
  decltype(OrtApi::SessionGetInputTypeInfo) type;
};

std::vector<ModelPort> ports_of(const Runtime& runtime, const OrtSession& session, const Side& side) {
  const OrtApi& api = *runtime.api;
  std::size_t count = 0;
  check(api, side.count(&session, &count));
  std::vector<ModelPort> ports(count);
  for (std::size_t i = 0; i < count; ++i) {
    char* name = nullptr;
    check(api, side.name(&session, i, runtime.allocator, &name));
    ports[i].name = name;
    check(api, api.AllocatorFree(runtime.allocator, name));
    if (!is_utf8(ports[i].name)) {
      throw OrtFailure("the name of an input or output that is no UTF-8");
    }
    const auto type = make<OrtTypeInfo>(api, side.type, &session, i);
    const OrtTensorTypeAndShapeInfo* tensor = nullptr;
    check(api, api.CastTypeInfoToTensorInfo(type.get(), &tensor));
    if (tensor == nullptr) {
      continue;
    }
    ONNXTensorElementDataType element{};
    std::size_t rank = 0;
    check(api, api.GetTensorElementType(tensor, &element));
    check(api, api.GetDimensionsCount(tensor, &rank));
    ports[i].row = row_by_onnx(element);
    ports[i].shape.resize(rank);
    check(api, api.GetDimensions(tensor, ports[i].shape.data(), rank));
  }
  return ports;
}

/// How a tensor of the model differs from the manifest's; empty where it does not.
std::string difference(const ModelPort& found, const Port& promised, bool is_output) {
  if (found.name != promised.name) {
    return quoted(found.name) + " in its place";
  }
  if (found.row == nullptr || found.row->dtype != promised.dtype) {
    return found.row == nullptr ? "another type" : found.row->word;
  }
  if (found.shape.size() != promised.shape.size()) {
    // An output whose rank a model leaves open is listed without axes; C12 sees to it in each call.
    return is_output && found.shape.empty() ? "" : std::to_string(found.shape.size()) + " axes";
  }
  for (std::size_t axis = 0; axis < found.shape.size(); ++axis) {
    const auto* size = std::get_if<std::int64_t>(&promised.shape[axis]);
    if (size != nullptr && found.shape[axis] >= 0 && found.shape[axis] != *size) {
      return std::to_string(found.shape[axis]) + " on axis " + std::to_string(axis);
    }
  }
  return {};
}

void compare(const std::vector<ModelPort>& found, const std::vector<Port>& promised, bool is_output) {
  for (std::size_t i = 0; i < std::min(found.size(), promised.size()); ++i) {
    const std::string fault = difference(found[i], promised[i], is_output);
    if (!fault.empty()) {
      throw Error("model_mismatch", promised[i].name, "the tensor of the manifest", fault + " in the model");
    }
  }
  if (found.size() != promised.size()) {
    const std::size_t first = std::min(found.size(), promised.size());
    const std::string& name = found.size() > first ? found[first].name : promised[first].name;
    throw Error("model_mismatch", name, std::to_string(promised.size()) + " tensors",
                std::to_string(found.size()) + " in the model");
  }
}

}  // namespace

void check_signature(const Runtime& runtime, const OrtSession& session, const ManifestData& manifest) {
  const OrtApi& api = *runtime.api;
  const Side inputs{api.SessionGetInputCount, api.SessionGetInputName, api.SessionGetInputTypeInfo};
  const Side outputs{api.SessionGetOutputCount, api.SessionGetOutputName, api.SessionGetOutputTypeInfo};
  // Both are read before one is judged: a name that is none is the fault of the file.
  const std::vector<ModelPort> taken = ports_of(runtime, session, inputs);
  const std::vector<ModelPort> given = ports_of(runtime, session, outputs);
  compare(taken, manifest.inputs, false);
  compare(given, manifest.outputs, true);
}

}  // namespace bundle::detail
