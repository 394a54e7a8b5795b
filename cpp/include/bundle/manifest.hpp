// The manifest: bytes to a checked description of a bundle, without touching the disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bundle/tensor.hpp"

namespace bundle {

/// One axis of a shape: a fixed size, or the name of a symbol.
using Dim = std::variant<std::int64_t, std::string>;

/// An input or output of the model, as the manifest describes it.
struct Port {
  std::string name;
  DType dtype = DType::float32;
  std::vector<Dim> shape;
  /// Of an input: whether NaN and infinities are refused.
  bool finite = false;
  /// Of an output: what it decides, a word of spec/tolerances.json.
  std::string decision;
  /// Free text, may be empty.
  std::string meaning;
};

namespace detail {
struct ManifestData;
}

/// A checked manifest. Copies are cheap and share one immutable description; safe from any thread.
class Manifest {
 public:
  /// Reads the bytes of a `bundle.json`.
  /// @throws Error a code of stage `manifest`, by the checks M1 to M14 of spec/FORMAT.md in their order; the
  ///   subject is a JSON Pointer. No other error leaves this function, whatever the bytes are.
  static Manifest parse(std::string_view bytes);

  /// The name and version of the model.
  const std::string& name() const noexcept;
  const std::string& version() const noexcept;
  /// The SHA-256 of the manifest's bytes in hex: the identity of the bundle.
  const std::string& digest() const noexcept;
  /// The tensors that every call takes and gives, in the model's order.
  const std::vector<Port>& inputs() const noexcept;
  const std::vector<Port>& outputs() const noexcept;
  /// The names of the variants, in the manifest's order, and the one that is taken when none is named.
  std::vector<std::string> variants() const;
  const std::string& default_variant() const noexcept;
  const std::map<std::string, std::string>& metadata() const noexcept;
  /// The bytes that were read: canonical JSON with every field.
  const std::string& bytes() const noexcept;

  /// The description in full, for this library alone.
  const detail::ManifestData& data() const noexcept { return *data_; }

 private:
  explicit Manifest(std::shared_ptr<const detail::ManifestData> data) : data_(std::move(data)) {}

  std::shared_ptr<const detail::ManifestData> data_;
};

}  // namespace bundle
