// Replay a bundle's golden cases.
#pragma once

#include "bundle/predictor.hpp"

namespace bundle::detail {

/// `Predictor::self_test`.
SelfTest self_test(const Predictor& predictor);

}  // namespace bundle::detail
