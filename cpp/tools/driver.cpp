#include "driver.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "placement.hpp"
#include "text.hpp"

namespace bundle::driver {

using detail::Array;
using detail::Json;
using detail::make_object;
using detail::Member;

namespace {

Json text(std::string value) { return Json{std::move(value)}; }

[[noreturn]] void misuse(const std::string& subject, const std::string& expected) {
  throw Error("usage_invalid", subject, expected, "something else");
}

const std::string& text_field(const std::string& op, const Json& request, const char* name) {
  const Json* field = request.find(name);
  if (field == nullptr || field->text() == nullptr) {
    misuse(op, std::string("text as `") + name + "`");
  }
  return *field->text();
}

const detail::Object& object_field(const std::string& op, const Json& request, const char* name) {
  const Json* field = request.find(name);
  if (field == nullptr || field->object() == nullptr) {
    misuse(op, std::string("an object as `") + name + "`");
  }
  return *field->object();
}

std::optional<std::int64_t> integer_field(const std::string& op, const Json& request, const char* name) {
  const Json* field = request.find(name);
  if (field == nullptr) {
    return std::nullopt;
  }
  if (field->integer() == nullptr) {
    misuse(op, std::string("an integer as `") + name + "`");
  }
  return *field->integer();
}

Tensors inputs_of(const std::string& op, const Json& request) {
  Tensors inputs;
  for (const Member& member : object_field(op, request, "inputs")) {
    inputs.emplace(member.key, decode(op, member.key, member.value));
  }
  return inputs;
}

Tensors buffers_of(const std::string& op, const Json& request) {
  Tensors buffers;
  for (const Member& member : object_field(op, request, "outputs")) {
    buffers.emplace(member.key, buffer(op, member.value));
  }
  return buffers;
}

Json outputs_reply(const Tensors& outputs) {
  std::vector<Member> members;
  for (const auto& [name, tensor] : outputs) {
    members.push_back({name, encode(tensor)});
  }
  return success({{"outputs", make_object(std::move(members))}});
}

Json ports_reply(const std::vector<Port>& ports) {
  Array list;
  for (const Port& port : ports) {
    Array shape;
    for (const Dim& size : port.shape) {
      const auto* fixed = std::get_if<std::int64_t>(&size);
      shape.push_back(fixed == nullptr ? text(std::get<std::string>(size)) : Json{*fixed});
    }
    list.push_back(make_object({{"name", text(port.name)},
                                {"dtype", text(to_string(port.dtype))},
                                {"shape", Json{std::move(shape)}}}));
  }
  return Json{std::move(list)};
}

Json session_reply(const std::map<std::string, Setting>& session) {
  std::vector<Member> members;
  for (const auto& [name, value] : session) {
    members.push_back({name, std::visit([](const auto& one) { return Json{one}; }, value)});
  }
  return make_object(std::move(members));
}

std::string decimal(double value) {
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), "%.9g", value);
  return std::isinf(value) ? "inf" : digits.data();
}

/// The options of a request; none where it has none.
Options options_of(const std::string& op, const Json& request) {
  const Json* options = request.find("options");
  if (options == nullptr) {
    return {};
  }
  if (options->object() == nullptr) {
    misuse(op, "an object as `options`");
  }
  return Options::from_json(detail::dump(*options));
}

Json update(const Json& request) {
  const std::string& folder = text_field("update", request, "folder");
  const std::string& archive = text_field("update", request, "archive");
  return update_reply(bundle::update(folder, archive, options_of("update", request)));
}

void parse(const Json& request) {
  const auto bytes = detail::from_hex(text_field("parse", request, "manifest"));
  if (!bytes) {
    misuse("parse", "bytes in hex as `manifest`");
  }
  Manifest::parse(*bytes);
}

}  // namespace

std::string Driver::answer(const std::string& line) {
  const Json request = detail::parse_lenient(line);
  Json reply;
  try {
    const Json* op = request.find("op");
    if (op == nullptr || op->text() == nullptr) {
      misuse(".", "a JSON object with `op`");
    }
    reply = dispatch(*op->text(), request);
  } catch (const Error& error) {
    reply = failure(error);
  } catch (const std::exception& error) {
    reply = failure(Error("runtime_failure", ".", "an answer", error.what()));
  }
  if (const Json* id = request.find("id")) {
    auto members = *reply.object();
    members.push_back({"id", *id});
    reply = make_object(std::move(members));
  }
  return detail::dump(reply);
}

Json Driver::dispatch(const std::string& op, const Json& request) {
  if (op == "open") {
    return open(request);
  }
  if (op == "parse") {
    parse(request);
    return success({});
  }
  if (op == "predict" || op == "predict_batch") {
    return predict(op, request);
  }
  if (op == "predict_into") {
    return predict_into(request);
  }
  if (op == "bind") {
    return bind(request);
  }
  if (op == "self_test") {
    return self_test_reply(predictor(op, request).self_test());
  }
  if (op == "update") {
    return update(request);
  }
  if (op == "rollback") {
    return update_reply(rollback(text_field(op, request, "folder")));
  }
  if (op == "close") {
    predictor(op, request).close();
    return success({});
  }
  misuse(op, "a known op");
}

Json Driver::open(const Json& request) {
  const std::string& handle = text_field("open", request, "handle");
  const std::string& path = text_field("open", request, "bundle");
  const Options options = options_of("open", request);
  // A failed opening leaves the handle closed.
  const auto before = predictors_.find(handle);
  if (before != predictors_.end()) {
    before->second.close();
  }
  const Predictor opened = Predictor::open(path, options);
  predictors_.insert_or_assign(handle, opened);
  Array providers;
  for (const std::string& name : opened.providers()) {
    providers.push_back(text(name));
  }
  return success({{"variant", text(opened.variant())},
                  {"format", text(opened.format())},
                  {"reason", text(opened.reason())},
                  {"providers", Json{std::move(providers)}},
                  {"session", session_reply(opened.session())},
                  {"inputs", ports_reply(opened.inputs())},
                  {"outputs", ports_reply(opened.outputs())}});
}

Json Driver::predict(const std::string& op, const Json& request) {
  const Predictor& opened = predictor(op, request);
  const Tensors inputs = inputs_of(op, request);
  if (op == "predict") {
    return outputs_reply(opened.predict(inputs));
  }
  return outputs_reply(opened.predict_batch(inputs, integer_field(op, request, "batch_size")));
}

Json Driver::predict_into(const Json& request) {
  const Predictor& opened = predictor("predict_into", request);
  Tensors buffers = buffers_of("predict_into", request);
  opened.predict_into(inputs_of("predict_into", request), buffers);
  return outputs_reply(buffers);
}

Json Driver::bind(const Json& request) {
  const Predictor& opened = predictor("bind", request);
  const Tensors buffers = buffers_of("bind", request);
  const std::int64_t runs = integer_field("bind", request, "runs").value_or(1);
  BoundCall call = opened.bind(inputs_of("bind", request), buffers);
  for (std::int64_t i = 0; i < runs; ++i) {
    call.run();
  }
  return outputs_reply(buffers);
}

Predictor& Driver::predictor(const std::string& op, const Json& request) {
  const std::string& handle = text_field(op, request, "handle");
  const auto place = predictors_.find(handle);
  if (place == predictors_.end()) {
    misuse(handle, "a handle that was opened");
  }
  return place->second;
}

Json self_test_reply(const SelfTest& result) {
  Array cases;
  for (const CaseResult& one : result.cases) {
    Array outputs;
    for (const OutputResult& output : one.outputs) {
      outputs.push_back(make_object({{"name", text(output.name)},
                                     {"passed", Json{output.passed}},
                                     {"flips", Json{output.flips}},
                                     {"near_ties", Json{output.near_ties}},
                                     {"worst", text(decimal(output.worst))}}));
    }
    cases.push_back(make_object(
        {{"name", text(one.name)}, {"passed", Json{one.passed}}, {"outputs", Json{std::move(outputs)}}}));
  }
  return success({{"passed", Json{result.passed}}, {"cases", Json{std::move(cases)}}});
}

Json update_reply(const Updated& updated) {
  return success({{"digest", text(updated.digest)},
                  {"name", text(updated.name)},
                  {"version", text(updated.version)},
                  {"previous", updated.previous ? text(*updated.previous) : Json{}},
                  {"changed", Json{updated.changed}}});
}

Json failure(const Error& error) {
  return make_object({{"ok", Json{false}},
                      {"error", make_object({{"code", text(error.code())},
                                             {"subject", text(error.subject())},
                                             {"expected", text(error.expected())},
                                             {"found", text(error.found())},
                                             {"message", text(error.what())}})}});
}

Json success(std::vector<Member> fields) {
  fields.push_back({"ok", Json{true}});
  return make_object(std::move(fields));
}

}  // namespace bundle::driver
