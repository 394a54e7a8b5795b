// Predict many rows in pieces.
#include <algorithm>
#include <cstring>

#include "bundle/error.hpp"
#include "core.hpp"

namespace bundle::detail {

namespace {

constexpr std::size_t no_axis = static_cast<std::size_t>(-1);

struct BatchAxes {
  std::vector<std::size_t> inputs, outputs;
};

Error unsupported(const std::string& subject, const std::string& found) {
  return {"batch_unsupported", subject, "a model that can be fed in pieces", found};
}

/// The axis that bears a symbol; `no_axis` where none does. Throws where more than one does.
std::size_t axis_of(const Port& port, const std::string& symbol) {
  std::size_t found = no_axis;
  for (std::size_t axis = 0; axis < port.shape.size(); ++axis) {
    if (port.shape[axis] == Dim{symbol}) {
      if (found != no_axis) {
        throw unsupported(".", "two batch axes in one tensor");
      }
      found = axis;
    }
  }
  return found;
}

/// Check B1.
BatchAxes batch_axes(const ManifestData& manifest) {
  if ((manifest.batch_symbol.empty() && !manifest.batch_size) || manifest.has_states ||
      manifest.inputs.empty()) {
    throw unsupported(".", manifest.has_states ? "a model with states" : "a model without a batch axis");
  }
  BatchAxes axes{std::vector<std::size_t>(manifest.inputs.size(), 0),
                 std::vector<std::size_t>(manifest.outputs.size(), 0)};
  if (manifest.batch_size) {
    return axes;
  }
  for (std::size_t i = 0; i < manifest.inputs.size(); ++i) {
    axes.inputs[i] = axis_of(manifest.inputs[i], manifest.batch_symbol);
  }
  for (std::size_t i = 0; i < manifest.outputs.size(); ++i) {
    axes.outputs[i] = axis_of(manifest.outputs[i], manifest.batch_symbol);
    if (axes.outputs[i] == no_axis) {
      throw unsupported(".", "an output without the batch axis");
    }
  }
  return axes;
}

/// Checks B2 and B3; returns the rows of a piece, or none for all at once.
std::optional<std::int64_t> piece_size(const Core& core, std::optional<std::int64_t> wanted) {
  const std::optional<std::int64_t> fixed = core.manifest().batch_size;
  if (!wanted) {
    if (!core.variant->batch_invariant) {
      throw Error("batch_size_required", ".", "batch_size", "none, where rows depend on their batch-mates");
    }
    return fixed;
  }
  if (*wanted < 1 || (fixed && *fixed != *wanted)) {
    throw Error("batch_size_invalid", ".", fixed ? std::to_string(*fixed) : "at least 1",
                std::to_string(*wanted));
  }
  return wanted;
}

/// The elements before an axis, and the bytes of one row of it.
struct Layout {
  std::size_t outer = 1;
  std::size_t row = 1;
};

Layout layout_of(const Tensor& tensor, std::size_t axis) {
  Layout layout;
  const std::vector<std::int64_t>& shape = tensor.shape();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    std::size_t& product = i < axis ? layout.outer : layout.row;
    product *= i == axis ? 1 : static_cast<std::size_t>(shape[i]);
  }
  return layout;
}

/// Copies `rows` rows along an axis from one tensor into another that differs only there.
void copy_rows(const Tensor& from, std::size_t first, Tensor& to, std::size_t target, std::size_t rows,
               std::size_t axis, std::vector<std::string>& strings) {
  const Layout layout = layout_of(from, axis);
  const auto from_rows = static_cast<std::size_t>(from.shape()[axis]);
  const auto to_rows = static_cast<std::size_t>(to.shape()[axis]);
  const std::size_t element = row_of(from.dtype()).size;
  for (std::size_t i = 0; i < layout.outer; ++i) {
    const std::size_t source = (i * from_rows + first) * layout.row;
    const std::size_t place = (i * to_rows + target) * layout.row;
    const std::size_t count = rows * layout.row;
    if (from.dtype() == DType::string) {
      for (std::size_t k = 0; k < count; ++k) {
        strings[place + k] = from.strings()[source + k];
      }
    } else if (count > 0) {
      std::memcpy(to.as<char>() + place * element, from.as<char>() + source * element, count * element);
    }
  }
}

Tensor cut(const Tensor& tensor, std::size_t axis, std::int64_t first, std::int64_t rows) {
  if (axis == no_axis || tensor.shape()[axis] == rows) {
    return tensor;
  }
  std::vector<std::int64_t> shape = tensor.shape();
  shape[axis] = rows;
  Tensor piece = room_for(tensor.dtype(), std::move(shape));
  std::vector<std::string> strings(piece.strings().size());
  copy_rows(tensor, static_cast<std::size_t>(first), piece, 0, static_cast<std::size_t>(rows), axis, strings);
  if (piece.dtype() == DType::string) {
    piece.assign(std::move(strings));
  }
  return piece;
}

Tensor join(const std::string& name, const std::vector<Tensor>& parts, std::size_t axis, std::int64_t rows) {
  if (parts.size() == 1) {
    return parts[0];
  }
  std::vector<std::int64_t> shape = parts[0].shape();
  shape[axis] = rows;
  Tensor whole = room_for(parts[0].dtype(), shape);
  std::vector<std::string> strings(whole.strings().size());
  std::size_t place = 0;
  for (const Tensor& part : parts) {
    shape[axis] = part.shape()[axis];
    if (part.shape() != shape) {
      throw unsupported(name, "pieces whose other axes differ");
    }
    const auto count = static_cast<std::size_t>(part.shape()[axis]);
    copy_rows(part, 0, whole, place, count, axis, strings);
    place += count;
  }
  if (whole.dtype() == DType::string) {
    whole.assign(std::move(strings));
  }
  return whole;
}

std::int64_t rows_of(const Feed& feed, const BatchAxes& axes) {
  for (std::size_t i = 0; i < axes.inputs.size(); ++i) {
    if (axes.inputs[i] != no_axis) {
      return feed.tensors[i]->shape()[axes.inputs[i]];
    }
  }
  return 0;  // not reached: check M13 finds the symbol in an input
}

/// Predicts one piece and adds its outputs to those before.
void add_piece(const Core& core, const Feed& feed, const BatchAxes& axes, std::int64_t first,
               std::int64_t rows, std::vector<std::vector<Tensor>>& parts) {
  std::vector<Tensor> pieces;
  for (std::size_t i = 0; i < feed.tensors.size(); ++i) {
    pieces.push_back(cut(*feed.tensors[i], axes.inputs[i], first, rows));
  }
  std::vector<const Tensor*> pointers;
  for (const Tensor& piece : pieces) {
    pointers.push_back(&piece);
  }
  const std::vector<Tensor> results = core.outputs_of(pointers, core.outputs().all());
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].shape()[axes.outputs[i]] != rows) {
      throw unsupported(core.manifest().outputs[i].name, "an output of another length than its piece");
    }
    parts[i].push_back(results[i]);
  }
}

}  // namespace

TensorMap predict_batch(const Core& core, const TensorMap& inputs, std::optional<std::int64_t> batch_size,
                        const std::function<bool(std::int64_t, std::int64_t)>& progress) {
  const auto call = core.gate.enter();
  const ManifestData& manifest = core.manifest();
  const BatchAxes axes = batch_axes(manifest);
  const std::optional<std::int64_t> size = piece_size(core, batch_size);
  const Feed feed = core.inputs().check(inputs, manifest.batch_size);
  const std::int64_t rows = rows_of(feed, axes);
  std::vector<std::vector<Tensor>> parts(manifest.outputs.size());
  for (std::int64_t first = 0; first < rows;) {
    const std::int64_t count = std::min(size.value_or(rows), rows - first);
    add_piece(core, feed, axes, first, count, parts);
    first += count;
    if (progress && !progress(first, rows)) {
      throw Error("predict_cancelled", ".", "a call that is let finish",
                  "one cancelled at " + std::to_string(first) + " of " + std::to_string(rows));
    }
  }
  TensorMap result;
  for (std::size_t i = 0; i < manifest.outputs.size(); ++i) {
    const std::string& name = manifest.outputs[i].name;
    result.emplace(name, join(name, parts[i], axes.outputs[i], rows));
  }
  return result;
}

}  // namespace bundle::detail
