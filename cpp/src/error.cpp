#include "bundle/error.hpp"

#include <utility>

namespace bundle {

struct Error::Fields {
  std::string code, subject, expected, found;

  std::string message() const {
    return code + ": `" + subject + "`: expected " + expected + ", got " + found;
  }
};

Error::Error(std::string code, std::string subject, std::string expected, std::string found)
    : Error(std::make_shared<const Fields>(
          Fields{std::move(code), std::move(subject), std::move(expected), std::move(found)})) {}

Error::Error(std::shared_ptr<const Fields> fields)
    : std::runtime_error(fields->message()), fields_(std::move(fields)) {}

const std::string& Error::code() const noexcept { return fields_->code; }
const std::string& Error::subject() const noexcept { return fields_->subject; }
const std::string& Error::expected() const noexcept { return fields_->expected; }
const std::string& Error::found() const noexcept { return fields_->found; }

}  // namespace bundle
