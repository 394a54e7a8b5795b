// The one exception of this library.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

namespace bundle {

/// A refusal or a failure. `code` is a word of spec/errors.json, stable for ever and the same in every
/// language; `subject` says what it is about (a JSON Pointer, a path inside the bundle, the name of a tensor
/// or of an option, or `.`). The rest is wording for people.
///
/// Copies share their text, so that copying never throws. May be used from any thread.
class Error : public std::runtime_error {
 public:
  Error(std::string code, std::string subject, std::string expected, std::string found);

  const std::string& code() const noexcept;
  const std::string& subject() const noexcept;
  const std::string& expected() const noexcept;
  const std::string& found() const noexcept;

 private:
  struct Fields;
  explicit Error(std::shared_ptr<const Fields> fields);

  std::shared_ptr<const Fields> fields_;
};

}  // namespace bundle
