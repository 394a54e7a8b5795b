// The program `bundle-predict`.
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "driver.hpp"

namespace {

using bundle::driver::Driver;

constexpr const char* usage =
    "usage: bundle-predict                                          answer requests from stdin, one JSON object a line\n"
    "       bundle-predict --describe                               say what this program is\n"
    "       bundle-predict --self-test BUNDLE [--options JSON]      replay the golden cases of a bundle\n"
    "       bundle-predict BUNDLE --input FILE [--options JSON]     predict once; FILE is {NAME: TENSOR or nested lists}\n";

/// Writes one line at once, so that a reader on the other side of a pipe never sees half of one.
void say(const std::string& line) { std::cout << line + "\n" << std::flush; }

int serve() {
  Driver driver;
  std::string line;
  while (std::getline(std::cin, line)) {
    say(driver.answer(line));
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::vector<std::string> arguments(words + 1, words + count);
  if (arguments.empty()) {
    return serve();
  }
  if (arguments[0] == "--describe" && arguments.size() == 1) {
    say(bundle::detail::dump(bundle::driver::describe()));
    return 0;
  }
  std::fputs(usage, stderr);
  return 2;
}
