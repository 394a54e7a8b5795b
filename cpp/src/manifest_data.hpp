// A checked manifest in full; FORMAT.md section 4 says what the fields mean.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bundle/manifest.hpp"
#include "json.hpp"

namespace bundle::detail {

/// The largest manifest that is read, in bytes (check M1).
constexpr std::size_t max_manifest = 1 << 20;
/// How many arrays and objects may be open at once in canonical JSON (check M2).
constexpr int max_depth = 16;
constexpr int format_version = 1;

struct File {
  std::string path;
  std::int64_t size;
  std::string sha256;
};

struct GoldenFile {
  std::string name, path;
};

struct Tolerance {
  std::string word;
  double bound = 0;
  double quanta = 0;
  double step = 0;
};

struct Variant {
  std::string name, cpu_class, minimum_runtime, writer;
  /// Format (`onnx`, `ort`) to path inside the bundle.
  std::map<std::string, std::string> files;
  bool batch_invariant;
  std::vector<Tolerance> tolerances;
  std::optional<std::int64_t> threads;
};

struct ManifestData {
  std::string bytes, digest, name, version, arch, default_variant, runtime_minimum, runtime_library;
  std::vector<Port> inputs, outputs;
  std::vector<Variant> variants;
  std::vector<File> files;
  std::vector<GoldenFile> golden;
  std::string batch_symbol;
  std::optional<std::int64_t> batch_size;
  bool has_states = false;
  /// The session defaults of this bundle, an object.
  Json session;
  std::map<std::string, std::string> metadata;
  /// The least C API that the bundle asks of a library, 0 where it asks for none of its own.
  std::int64_t api_minimum = 0;
  /// The number of the format of its .ort files; 0 where it is not stated.
  std::int64_t ort_format = 0;
};

/// Reads the manifest of a bundle's folder and checks O1, O2, M1, O3 and M2 to M14, no other file.
/// `digest` is the expected identity; empty for any. Throws Error as those checks say.
Manifest open_manifest(const std::string& folder, const std::string& digest);

/// Refuses (`manifest_too_large`) more bytes than a manifest may have (M1).
void check_manifest_size(std::size_t bytes);

/// Checks the structure by spec/bundle.schema.json (M5).
void check_schema(const Json& tree);

/// Checks M6, and M10 to M14.
void check_consistency(const Json& tree);

/// Whether a text is one name of a path, by the rule of M7.
bool plain_name(const std::string& name);

/// Checks M7 to M9.
void check_paths(const Array& files);

}  // namespace bundle::detail
