#include "ort.hpp"

namespace bundle::detail {

void check(const OrtApi& api, OrtStatus* status) {
  if (status == nullptr) {
    return;
  }
  const std::string message = api.GetErrorMessage(status);
  api.ReleaseStatus(status);
  throw OrtFailure(message.substr(0, message.find('\n')));
}

}  // namespace bundle::detail
