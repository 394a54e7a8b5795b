// Tensor files (safetensors), read as strictly as the manifest: FORMAT.md section 7.
#pragma once

#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "bundle/tensor.hpp"

namespace bundle::detail {

/// The bytes are no tensor file of the format; the message says why.
class TensorFileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Returns the tensors of a file by key, strings joined. The tensors share `file` and may lie unaligned.
/// Throws TensorFileError; no other error, whatever the bytes are.
std::map<std::string, Tensor> read_tensors(const std::shared_ptr<std::string>& file);

}  // namespace bundle::detail
