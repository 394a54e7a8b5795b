// The protocol of spec/DRIVER.md, one JSON object a line.
#pragma once

#include <map>
#include <string>

#include "bundle/predictor.hpp"
#include "bundle/update.hpp"
#include "json.hpp"

namespace bundle::driver {

/// The open predictors by handle.
class Driver {
 public:
  /// Returns the reply to one line, without the end of the line; never throws for what a line holds.
  std::string answer(const std::string& line);

 private:
  detail::Json dispatch(const std::string& op, const detail::Json& request);
  detail::Json open(const detail::Json& request);
  detail::Json predict(const std::string& op, const detail::Json& request);
  detail::Json predict_into(const detail::Json& request);
  detail::Json bind(const detail::Json& request);
  Predictor& predictor(const std::string& op, const detail::Json& request);

  std::map<std::string, Predictor> predictors_;
};

/// The reply of `--describe`.
detail::Json describe();
/// The fields that the reply of `self_test` has.
detail::Json self_test_reply(const SelfTest& result);
/// The reply of `update` and `rollback`.
detail::Json update_reply(const Updated& updated);
/// The reply to a failure.
detail::Json failure(const Error& error);
/// A reply that went well with these fields.
detail::Json success(std::vector<detail::Member> fields);

}  // namespace bundle::driver
