#include "fit.hpp"

#include <sys/auxv.h>
#include <sys/utsname.h>

#include <algorithm>
#include <utility>

#include "bundle/error.hpp"
#include "spec.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

// Bits of AT_HWCAP on linux/arm64, by the names that the kernel gives them.
constexpr unsigned long hwcap_asimddp = 1UL << 20;

std::string find_arch() {
  struct utsname names{};
  ::uname(&names);
  std::string machine = names.machine;
  for (const Member& target : *table("targets").at("targets").object()) {
    const Array& aliases = target.value.list("aliases");
    auto same = [&](const Json& alias) { return *alias.text() == machine; };
    if (target.key == machine || std::any_of(aliases.begin(), aliases.end(), same)) {
      return target.key;
    }
  }
  return machine;
}

/// Why this host may not load the variant's .ort file; empty where it may.
std::string misfit(const ManifestData& manifest, const Variant& variant, const std::string& library_version) {
  if (host_arch() != manifest.arch) {
    return "the .ort file is frozen for " + manifest.arch + ", this host is " + host_arch();
  }
  const Json& row = table("targets").at("targets").at(manifest.arch).at("cpu_classes").at(variant.cpu_class);
  const std::set<std::string> features = host_features();
  for (const Json& feature : row.list("features")) {
    if (features.count(*feature.text()) == 0) {
      return "the .ort file needs the CPU feature " + *feature.text() + ", which this host lacks";
    }
  }
  if (version_numbers(library_version) < version_numbers(variant.writer)) {
    return "the .ort file was written by ONNX Runtime " + variant.writer + ", this is " + library_version;
  }
  return {};
}

/// Why a library of this version does not read the bundle's .ort files (L11); empty where it may. A later
/// library than the table knows says so itself.
std::string unread(const ManifestData& manifest, const std::string& library_version) {
  const Json& known = table("library").at("ort_format");
  const auto version = version_numbers(library_version);
  const auto until = version_numbers(known.str("until"));
  const bool later = std::pair(version[0], version[1]) > std::pair(until[0], until[1]);
  if (later || manifest.ort_format <= known.num("newest")) {
    return {};
  }
  return "the .ort file has ORT format " + std::to_string(manifest.ort_format) + ", and ONNX Runtime " +
         library_version + " reads up to " + dump(known.at("newest"));
}

}  // namespace

const std::string& host_arch() {
  static const std::string arch = find_arch();
  return arch;
}

std::set<std::string> host_features() {
  if (host_arch() == "arm64" && (::getauxval(AT_HWCAP) & hwcap_asimddp) != 0) {
    return {"asimddp"};
  }
  return {};
}

FileChoice choose_file(const ManifestData& manifest, const Variant& variant,
                       const std::string& library_version, const std::string* wanted, bool foreign) {
  if (wanted != nullptr && variant.files.count(*wanted) == 0) {
    throw Error("format_unavailable", *wanted, "a file of this format in variant " + quoted(variant.name),
                "none");
  }
  const auto onnx = variant.files.find("onnx");
  const auto ort = variant.files.find("ort");
  if (wanted != nullptr && *wanted == "onnx") {
    return {"onnx", onnx->second, "asked for"};
  }
  if (ort == variant.files.end()) {
    return {"onnx", onnx->second, "the variant has no .ort file"};
  }
  std::string obstacle = foreign ? std::string() : misfit(manifest, variant, library_version);
  const bool fits = obstacle.empty();
  if (fits) {
    obstacle = unread(manifest, library_version);
  }
  if (obstacle.empty()) {
    return {"ort", ort->second, wanted == nullptr ? "the .ort file fits this host" : "asked for"};
  }
  if (wanted == nullptr && onnx != variant.files.end()) {
    return {"onnx", onnx->second, obstacle};
  }
  throw Error(fits ? "library_ort_format" : "target_mismatch", ort->second,
              fits ? "a file that the library reads" : "a file that fits this host", obstacle);
}

}  // namespace bundle::detail
