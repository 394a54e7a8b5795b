#include "vectors.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "text.hpp"

namespace bundle::test {

namespace fs = std::filesystem;
using detail::Json;
using detail::Member;

namespace {

Json read_json(const fs::path& path) { return detail::parse_lenient(read_file(path)); }

void prepare(const Json& step, const fs::path& path) {
  const std::string& op = step.str("op");
  if (op == "delete") {
    fs::remove(path);
  } else if (op == "fifo") {
    if (::mkfifo(path.c_str(), 0600) != 0) {
      throw std::runtime_error("no pipe at " + path.string());
    }
  } else if (op == "mkdir") {
    fs::create_directory(path);
  } else if (op == "symlink") {
    fs::create_symlink(step.str("target"), path);
  } else if (op == "write" || op == "append") {
    std::ofstream file(path, std::ios::binary | (op == "append" ? std::ios::app : std::ios::trunc));
    const auto bytes = detail::from_hex(step.str("hex"));
    const Json* times = step.find("times");
    for (std::int64_t i = 0; i < (times == nullptr ? 1 : *times->integer()); ++i) {
      file << bytes.value_or("");
    }
  } else {
    throw std::runtime_error("unknown op " + op);
  }
}

/// The bundle that the steps are about: in place, or a changed copy under `work`.
fs::path prepared(const fs::path& folder, const Json& tree, const fs::path& work) {
  const Json* name = tree.find("bundle");
  const fs::path bundle = name == nullptr ? folder : folder / *name->text();
  if (tree.find("prepare") == nullptr) {
    return fs::weakly_canonical(bundle);
  }
  const fs::path copy = work / "bundle";
  fs::copy(bundle, copy, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  for (const Json& step : tree.list("prepare")) {
    prepare(step, copy / step.str("path"));
  }
  return copy;
}

std::string request(const Json& step, const fs::path& bundle, const fs::path& folder) {
  std::vector<Member> members;
  for (const Member& member : *step.object()) {
    if (member.key == "bundle") {
      std::string path = *member.value.text();
      const std::string mark = "$BUNDLE";
      const std::size_t place = path.find(mark);
      members.push_back(
          {"bundle", Json{place == std::string::npos ? path : path.replace(place, mark.size(), bundle)}});
    } else if (member.key == "manifest") {
      members.push_back({"manifest", Json{detail::to_hex(read_file(folder / "manifest.json"))}});
    } else if (member.key != "expect") {
      members.push_back(member);
    }
  }
  return detail::dump(detail::make_object(std::move(members)));
}

/// The first place where a reply is not what is expected; objects may hold more, but `outputs` may not.
std::string difference(const Json& expected, const Json& found, const std::string& at) {
  if (expected.object() != nullptr && found.object() != nullptr) {
    if (detail::ends_with(at, "/outputs") && expected.object()->size() != found.object()->size()) {
      return at + ": another number of outputs";
    }
    for (const Member& member : *expected.object()) {
      const Json* there = found.find(member.key);
      const std::string inside =
          difference(member.value, there == nullptr ? Json{} : *there, at + "/" + member.key);
      if (!inside.empty()) {
        return inside;
      }
    }
    return {};
  }
  if (expected.array() != nullptr && found.array() != nullptr &&
      expected.array()->size() == found.array()->size()) {
    for (std::size_t i = 0; i < expected.array()->size(); ++i) {
      const std::string inside =
          difference((*expected.array())[i], (*found.array())[i], at + "/" + std::to_string(i));
      if (!inside.empty()) {
        return inside;
      }
    }
    return {};
  }
  const std::string wanted = detail::dump(expected);
  return wanted == detail::dump(found) ? "" : at + ": expected " + wanted + ", found " + detail::dump(found);
}

void check_keys(const Json& tree) {
  static const std::set<std::string> known = {"bundle", "checks", "comment", "prepare", "steps"};
  for (const Member& member : *tree.object()) {
    if (known.count(member.key) == 0) {
      throw std::runtime_error("unknown key " + member.key);
    }
  }
}

}  // namespace

std::vector<fs::path> cases() {
  std::vector<fs::path> folders;
  for (const auto& group : fs::directory_iterator(EDGEBUNDLE_CASES)) {
    // The prepared libraries are no cases of this form; the tests of libraries read them.
    if (group.is_directory() && group.path().filename() != "library") {
      for (const auto& folder : fs::directory_iterator(group)) {
        folders.push_back(folder.path());
      }
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::string play(driver::Driver& driver, const fs::path& folder) {
  const TemporaryFolder work;
  const Json tree = read_json(folder / "case.json");
  check_keys(tree);
  const fs::path bundle = prepared(folder, tree, work.path());
  std::string wrong;
  std::set<std::string> handles;
  for (const Json& step : tree.list("steps")) {
    if (step.find("handle") != nullptr) {
      handles.insert(step.str("handle"));
    }
    const std::string reply = driver.answer(request(step, bundle, folder));
    wrong = difference(step.at("expect"), detail::parse_lenient(reply), step.str("op"));
    if (!wrong.empty()) {
      break;
    }
  }
  for (const std::string& handle : handles) {
    driver.answer(R"({"op":"close","handle":")" + handle + R"("})");
  }
  return wrong;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = fs::temp_directory_path() / "edgebundle-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("no temporary folder");
  }
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string read_file(const fs::path& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    throw std::runtime_error("cannot read " + path.string());
  }
  return text.str();
}

}  // namespace bundle::test
