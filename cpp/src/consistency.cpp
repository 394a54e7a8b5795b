// What must hold between the fields of a manifest (checks M6 to M14), once its structure is right.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bundle/error.hpp"
#include "manifest_data.hpp"
#include "spec.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

using Names = std::set<std::string>;

std::string at(const std::string& section, std::size_t index, const std::string& key) {
  return "/" + section + "/" + std::to_string(index) + "/" + key;
}

Error inconsistent(const std::string& subject, const std::string& expected, const std::string& found) {
  return {"manifest_inconsistent", subject, expected, found};
}

void check_features(const Json& tree) {
  if (const Array& features = tree.list("features"); !features.empty()) {
    throw Error("feature_unsupported", "/features/0", "no feature", quoted(*features[0].text()));
  }
  if (!tree.list("components").empty()) {
    throw Error("feature_unsupported", "/components", "none", "some");
  }
}

/// The names that an entry takes: a string tensor is two more in a golden file.
std::vector<std::string> names_of(const Json& entry, const std::string& key) {
  const std::string& name = entry.str(key);
  const Json* dtype = entry.find("dtype");
  if (dtype == nullptr || *dtype->text() != "string") {
    return {name};
  }
  return {name, name + ".offsets", name + ".utf8"};
}

void check_unique(const Json& tree) {
  static const std::vector<std::pair<std::string, std::string>> lists = {
      {"golden", "name"},  {"golden", "path"},   {"inputs", "name"},  {"outputs", "name"},
      {"states", "input"}, {"states", "output"}, {"variants", "name"}};
  for (const auto& [section, key] : lists) {
    Names seen;
    const Array& entries = tree.list(section);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      for (const std::string& name : names_of(entries[i], key)) {
        if (!seen.insert(name).second) {
          throw Error("name_duplicate", at(section, i, key), "a name of its own", quoted(name) + " again");
        }
      }
    }
  }
}

void check_scalars(const Json& tree) {
  for (const char* section : {"inputs", "outputs"}) {
    const Array& entries = tree.list(section);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const std::string& dtype = entries[i].str("dtype");
      if (entries[i].list("shape").empty() && (dtype == "string" || dtype == "float16")) {
        throw Error("tensor_unsupported", std::string("/") + section + "/" + std::to_string(i),
                    "at least one axis", dtype + " of rank 0");
      }
    }
  }
}

void check_target(const Json& tree) {
  const Json& target = tree.at("target");
  auto unknown = [](const std::string& subject, const std::string& found) {
    return Error("target_unknown", subject, "a word of the table of targets", quoted(found));
  };
  const Json* row = table("targets").at("targets").find(target.str("arch"));
  if (row == nullptr) {
    throw unknown("/target/arch", target.str("arch"));
  }
  const Json& classes = row->at("cpu_classes");
  if (classes.find(target.str("cpu_class")) == nullptr) {
    throw unknown("/target/cpu_class", target.str("cpu_class"));
  }
  if (row->str("os") != target.str("os")) {
    throw unknown("/target/os", target.str("os"));
  }
  const Array& variants = tree.list("variants");
  for (std::size_t i = 0; i < variants.size(); ++i) {
    if (classes.find(variants[i].str("cpu_class")) == nullptr) {
      throw unknown(at("variants", i, "cpu_class"), variants[i].str("cpu_class"));
    }
  }
}

Names collect(const Array& entries, const std::string& key) {
  Names names;
  for (const Json& entry : entries) {
    names.insert(entry.str(key));
  }
  return names;
}

Names symbols_of(const Array& inputs) {
  Names names;
  for (const Json& input : inputs) {
    for (const Json& size : input.list("shape")) {
      if (size.text() != nullptr) {
        names.insert(*size.text());
      }
    }
  }
  return names;
}

void refer(const std::string& subject, const std::string& name, const Names& known) {
  if (known.count(name) == 0) {
    throw Error("reference_unknown", subject, "something that is there", quoted(name));
  }
}

void refer_each(const Json& tree, const std::string& section, const std::string& key, const Names& known) {
  const Array& entries = tree.list(section);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    refer(at(section, i, key), entries[i].str(key), known);
  }
}

void check_references(const Json& tree) {
  const Names files = collect(tree.list("files"), "path");
  const Names outputs = collect(tree.list("outputs"), "name");
  const Json* batch = tree.find("batch");
  if (batch != nullptr && batch->find("symbol") != nullptr) {
    refer("/batch/symbol", batch->str("symbol"), symbols_of(tree.list("inputs")));
  }
  refer("/default_variant", tree.str("default_variant"), collect(tree.list("variants"), "name"));
  refer_each(tree, "golden", "path", files);
  if (tree.at("runtime").find("library") != nullptr) {
    refer("/runtime/library", tree.at("runtime").str("library"), files);
  }
  refer_each(tree, "states", "input", collect(tree.list("inputs"), "name"));
  refer_each(tree, "states", "output", outputs);
  refer_each(tree, "tasks", "output", outputs);
  const Array& variants = tree.list("variants");
  for (std::size_t i = 0; i < variants.size(); ++i) {
    for (const Member& file : *variants[i].at("files").object()) {
      refer(at("variants", i, "files/" + file.key), *file.value.text(), files);
    }
  }
}

void locate(const std::string& subject, const std::string& path, const std::string& begin,
            const std::string& end) {
  if (!begins_with(path, begin) || !ends_with(path, end)) {
    throw inconsistent(subject, begin + "..." + end, quoted(path));
  }
}

void check_batch_size(const Json& tree) {
  const Json* batch = tree.find("batch");
  if (batch == nullptr || batch->find("size") == nullptr) {
    return;
  }
  for (const char* section : {"inputs", "outputs"}) {
    for (const Json& entry : tree.list(section)) {
      const Array& shape = entry.list("shape");
      if (shape.empty() || shape[0].integer() == nullptr || *shape[0].integer() != batch->num("size")) {
        throw inconsistent("/batch/size", "the first size of every input and output",
                           dump(batch->at("size")));
      }
    }
  }
}

void check_tolerances(const Json& tree, const Json& variant, const std::string& subject) {
  const Array& tolerances = variant.list("tolerances");
  if (tolerances.size() != tree.list("outputs").size()) {
    throw inconsistent(subject, "one per output", std::to_string(tolerances.size()));
  }
  for (std::size_t i = 0; i < tolerances.size(); ++i) {
    Names wanted = {"word"};
    for (const Json& name :
         table("tolerances").at("words").at(tolerances[i].str("word")).list("parameters")) {
      wanted.insert(*name.text());
    }
    Names given;
    for (const Member& member : *tolerances[i].object()) {
      given.insert(member.key);
    }
    if (given != wanted) {
      throw inconsistent(subject + "/" + std::to_string(i), "exactly the parameters of its word",
                         dump(tolerances[i]));
    }
  }
}

void check_variant(const Json& tree, const Json& variant, const std::string& subject,
                   const std::map<std::string, std::int64_t>& sizes) {
  // Sizes are below 2^53 and a variant has two files at most, so that the sum cannot overflow.
  std::int64_t total = 0;
  for (const Member& file : *variant.at("files").object()) {
    total += sizes.at(*file.value.text());
  }
  if (variant.num("bytes") != total) {
    throw inconsistent(subject + "/bytes", std::to_string(total), std::to_string(variant.num("bytes")));
  }
  const Array& formats = table("targets").at("targets").at(tree.at("target").str("arch")).list("formats");
  for (const Member& file : *variant.at("files").object()) {
    const std::string where = subject + "/files/" + file.key;
    locate(where, *file.value.text(), "models/", "." + file.key);
    if (std::none_of(formats.begin(), formats.end(),
                     [&](const Json& one) { return *one.text() == file.key; })) {
      throw inconsistent(where, "a format of the target", file.key);
    }
  }
  check_tolerances(tree, variant, subject + "/tolerances");
}

void check_agreement(const Json& tree) {
  check_batch_size(tree);
  const Array& golden = tree.list("golden");
  for (std::size_t i = 0; i < golden.size(); ++i) {
    locate(at("golden", i, "path"), golden[i].str("path"), "golden/", ".safetensors");
  }
  if (tree.at("runtime").find("library") != nullptr) {
    locate("/runtime/library", tree.at("runtime").str("library"), "lib/", "");
  }
  std::map<std::string, std::int64_t> sizes;
  for (const Json& file : tree.list("files")) {
    sizes.emplace(file.str("path"), file.num("size"));
  }
  const Array& variants = tree.list("variants");
  for (std::size_t i = 0; i < variants.size(); ++i) {
    check_variant(tree, variants[i], "/variants/" + std::to_string(i), sizes);
  }
}

}  // namespace

void check_consistency(const Json& tree) {
  check_features(tree);
  check_paths(tree.list("files"));
  check_unique(tree);
  check_scalars(tree);
  check_target(tree);
  check_references(tree);
  check_agreement(tree);
}

}  // namespace bundle::detail
