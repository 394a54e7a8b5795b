// The program `bundle-predict`: see spec/DRIVER.md.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "driver.hpp"
#include "lists.hpp"
#include "placement.hpp"

namespace {

using bundle::Error;
using bundle::detail::Json;
using bundle::detail::Member;

constexpr const char* usage =
    "usage: bundle-predict                                        answer requests from stdin, one JSON "
    "object a line\n"
    "       bundle-predict --describe                             say what this program is\n"
    "       bundle-predict --self-test BUNDLE [--options JSON]    replay the golden cases of a bundle\n"
    "       bundle-predict BUNDLE --input FILE [--options JSON]   predict once; FILE is {NAME: TENSOR or "
    "lists}\n"
    "       bundle-predict --update FOLDER ARCHIVE [--options JSON]   let a device run the bundle of an "
    "archive\n"
    "       bundle-predict --rollback FOLDER                      let it run the one before again\n";

/// Writes one line at once, so that a reader on the other side of a pipe never sees half of one.
void say(const Json& reply) { std::cout << bundle::detail::dump(reply) + "\n" << std::flush; }

int serve() {
  bundle::driver::Driver driver;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << driver.answer(line) + "\n" << std::flush;
  }
  return 0;
}

/// Says a reply; the exit code is that of its field `word`.
int once(const std::function<Json()>& answer, const char* word) {
  Json reply;
  try {
    reply = answer();
  } catch (const Error& error) {
    reply = bundle::driver::failure(error);
  } catch (const std::exception& error) {
    reply = bundle::driver::failure(Error("runtime_failure", ".", "an answer", error.what()));
  }
  say(reply);
  const Json* good = reply.find(word);
  return good != nullptr && *good->boolean() ? 0 : 1;
}

Json read_file(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  Json tree = bundle::detail::parse_lenient(text.str());
  if (file && tree.object() != nullptr) {
    return tree;
  }
  throw Error("usage_invalid", "--input", "a file with a JSON object of inputs", path);
}

Json predict_once(const std::string& bundle_path, const std::string& file, const bundle::Options& options) {
  const bundle::Predictor predictor = bundle::Predictor::open(bundle_path, options);
  const Json content = read_file(file);
  bundle::Tensors inputs;
  bool exact = false;
  for (const Member& member : *content.object()) {
    if (member.value.object() != nullptr) {
      exact = true;
      inputs.emplace(member.key, bundle::driver::decode(member.key, member.key, member.value));
      continue;
    }
    const auto& ports = predictor.inputs();
    const auto port = std::find_if(ports.begin(), ports.end(),
                                   [&](const bundle::Port& one) { return one.name == member.key; });
    // A name that the model does not have is refused by the prediction, whatever its type.
    inputs.emplace(member.key,
                   port == ports.end() ? bundle::Tensor() : bundle::driver::from_lists(*port, member.value));
  }
  std::vector<Member> outputs;
  for (const auto& [name, tensor] : predictor.predict(inputs)) {
    outputs.push_back({name, exact ? bundle::driver::encode(tensor) : bundle::driver::to_lists(tensor)});
  }
  return bundle::driver::success({{"outputs", bundle::detail::make_object(std::move(outputs))}});
}

int run(std::vector<std::string> words) {
  if (words.empty()) {
    return serve();
  }
  if (words == std::vector<std::string>{"--describe"}) {
    say(bundle::driver::describe());
    return 0;
  }
  if (words.size() == 2 && words[0] == "--rollback") {
    return once([&] { return bundle::driver::update_reply(bundle::rollback(words[1])); }, "ok");
  }
  std::string options = "{}";
  if (words.size() >= 2 && words[words.size() - 2] == "--options") {
    options = words.back();
    words.resize(words.size() - 2);
  }
  if (words.size() == 2 && words[0] == "--self-test") {
    return once(
        [&] {
          const auto predictor = bundle::Predictor::open(words[1], bundle::Options::from_json(options));
          return bundle::driver::self_test_reply(predictor.self_test());
        },
        "passed");
  }
  if (words.size() == 3 && words[1] == "--input") {
    return once([&] { return predict_once(words[0], words[2], bundle::Options::from_json(options)); }, "ok");
  }
  if (words.size() == 3 && words[0] == "--update") {
    return once(
        [&] {
          const auto given = bundle::Options::from_json(options);
          return bundle::driver::update_reply(bundle::update(words[1], words[2], given));
        },
        "ok");
  }
  const bool help = words.size() == 1 && (words[0] == "--help" || words[0] == "-h");
  std::fputs(usage, help ? stdout : stderr);
  return help ? 0 : 2;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run({words + 1, words + count});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
