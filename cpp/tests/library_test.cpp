// Finding, checking and loading ONNX Runtime. Each test runs in a process of its own.
#include <dlfcn.h>
#include <elf.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "bundle/predictor.hpp"
#include "fit.hpp"
#include "json.hpp"
#include "vectors.hpp"

namespace bundle::test {

namespace {

/// The library that the environment names; these tests need a real one.
std::string real_library() {
  const char* path = std::getenv("ORT_DYLIB_PATH");
  return path == nullptr ? "" : path;
}

struct Refusal {
  std::string code, subject, expected;
};

Refusal open_with(const Options& options) {
  try {
    Predictor::open(bundle_of("scale_rows"), options);
  } catch (const Error& error) {
    return {error.code(), error.subject(), error.expected()};
  }
  return {"no error", "", ""};
}

Refusal open_library(const std::string& path) { return open_with(Options().set("library", path)); }

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

TEST(Library, NoneIsThere) {
  const Refusal refusal = open_library("/nonexistent/libonnxruntime.so");
  EXPECT_EQ(refusal.code, "library_not_found");
  EXPECT_EQ(refusal.subject, ".");
}

TEST(Library, TheFailureNamesEveryPlace) {
  ::unsetenv("ORT_DYLIB_PATH");
  const Refusal refusal = open_with({});
  if (refusal.code == "no error") {
    GTEST_SKIP() << "this system has an ONNX Runtime of its own";
  }
  EXPECT_EQ(refusal.code, "library_not_found");
  for (const char* place :
       {"library", "ORT_DYLIB_PATH", "lib/", "libonnxruntime.so.1", "libonnxruntime.so"}) {
    EXPECT_NE(refusal.expected.find(place), std::string::npos) << place;
  }
}

TEST(Library, TheVariableIsFinal) {
  ::setenv("ORT_DYLIB_PATH", "/nonexistent", 1);
  EXPECT_EQ(open_with({}).code, "library_not_found");
}

TEST(Library, WrongFilesAreRefusedBeforeTheyAreOpened) {
  const TemporaryFolder folder;
  const std::string whole = read_file(FAKE_PLAIN);
  const auto path = folder.path() / "libonnxruntime.so";
  EXPECT_EQ(open_library(folder.path()).code, "library_malformed");
  for (const std::string& bytes :
       {std::string(), std::string("garbage"), whole.substr(0, 100), whole.substr(0, whole.size() / 2),
        whole.substr(0, whole.size() - 1), whole}) {
    write(path, bytes);
    EXPECT_EQ(open_library(path).code, "library_malformed") << bytes.size();
  }
  std::string foreign = read_file(FAKE_OLD);
  foreign[offsetof(Elf64_Ehdr, e_machine)] = static_cast<char>(EM_S390);
  write(path, foreign);
  EXPECT_EQ(open_library(path).code, "library_architecture");
}

TEST(Library, PreparedFilesAreRefusedAsTheCasesSay) {
  const std::filesystem::path cases = EDGEBUNDLE_CASES;
  const detail::Json list = detail::parse_lenient(read_file(cases / "library" / "cases.json"));
  ASSERT_GT(list.array()->size(), 20U);
  for (const detail::Json& one : *list.array()) {
    const std::string library = cases / "library" / detail::host_arch() / one.str("library");
    const detail::Json& error = one.at("error");
    try {
      Predictor::open(cases / one.str("bundle"), Options().set("library", library));
      ADD_FAILURE() << one.str("name");
    } catch (const Error& found) {
      EXPECT_EQ(found.code(), error.str("code")) << one.str("name");
      EXPECT_EQ(found.subject(), error.str("subject")) << one.str("name");
    }
  }
}

TEST(Library, EveryTruncationOfALibraryIsRefused) {
  const TemporaryFolder folder;
  const std::string whole = read_file(FAKE_OLD);
  const auto path = folder.path() / "libonnxruntime.so";
  for (std::size_t size = 0; size < whole.size(); size += 97) {
    write(path, whole.substr(0, size));
    EXPECT_EQ(open_library(path).code, "library_malformed") << size;
  }
}

TEST(Library, AnOldOneIsRefusedAndTelemetryWasOffBeforeItWasLoaded) {
  const TemporaryFolder folder;
  const std::string note = folder.path() / "note";
  ::setenv("FAKE_LIBRARY_NOTE", note.c_str(), 1);
  ::unsetenv("ORT_DISABLE_TELEMETRY");
  EXPECT_EQ(open_library(FAKE_OLD).code, "library_too_old");
  EXPECT_EQ(read_file(note), "1");
}

TEST(Library, OneWithoutAnInterfaceIsRefused) {
  EXPECT_EQ(open_library(FAKE_SILENT).code, "library_malformed");
}

TEST(Library, ASecondOneIsRefused) {
  ASSERT_EQ(open_with({}).code, "no error");
  EXPECT_EQ(open_library(FAKE_OLD).code, "library_conflict");
  EXPECT_EQ(open_with({}).code, "no error");
}

TEST(Library, ACopyOfTheSameBytesIsTheSame) {
  ASSERT_EQ(open_with({}).code, "no error");
  const TemporaryFolder folder;
  const auto copy = folder.path() / "copy.so";
  std::filesystem::copy_file(real_library(), copy);
  EXPECT_EQ(open_library(copy).code, "no error");
}

TEST(Library, AnotherOneThatHasThePathOfTheLoadedOneIsRefused) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "libonnxruntime.so.1";
  const auto kept = folder.path() / "kept.so";
  std::filesystem::copy_file(real_library(), path);
  ASSERT_EQ(open_library(path).code, "no error");
  // A device proves each bundle at one path, and renames it then.
  std::filesystem::rename(path, kept);
  std::filesystem::copy_file(FAKE_OLD, path);
  EXPECT_EQ(open_library(path).code, "library_conflict");
  EXPECT_EQ(open_library(kept).code, "no error");
  std::filesystem::remove(path);
  std::filesystem::remove(kept);
  EXPECT_EQ(open_library(FAKE_OLD).code, "library_conflict");
  std::filesystem::copy_file(real_library(), path);
  EXPECT_EQ(open_library(path).code, "no error");
}

TEST(Library, OneThatWasWrittenSinceItWasLoadedIsNoLongerKnown) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "libonnxruntime.so.1";
  std::filesystem::copy_file(real_library(), path);
  ASSERT_EQ(open_library(path).code, "no error");
  std::filesystem::last_write_time(path, {});
  EXPECT_EQ(open_library(path).code, "library_conflict");
}

TEST(Library, ARefusedOneIsNotKept) {
  const TemporaryFolder folder;
  for (const std::filesystem::path library : {FAKE_OLD, FAKE_SILENT}) {
    // Under such a name it would count as the library of this process.
    const auto path = folder.path() / ("libonnxruntime.so." + library.filename().string());
    std::filesystem::copy_file(library, path);
    EXPECT_NE(open_library(path).code, "no error");
  }
  EXPECT_EQ(open_with({}).code, "no error");
}

TEST(Library, TheLoadedOneIsUsedWhereNoneIsNamed) {
  ASSERT_EQ(open_with({}).code, "no error");
  ::unsetenv("ORT_DYLIB_PATH");
  EXPECT_EQ(open_with({}).code, "no error");
}

TEST(Library, OneThatWasLoadedWithTelemetryIsRefused) {
  ::setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  ASSERT_NE(::dlopen(real_library().c_str(), RTLD_NOW | RTLD_LOCAL), nullptr) << ::dlerror();
  ::unsetenv("ORT_DISABLE_TELEMETRY");
  EXPECT_EQ(open_with({}).code, "telemetry_active");
  EXPECT_EQ(open_with(Options().set("allow_telemetry", true)).code, "no error");
}

TEST(Library, AHostCanHandItsOwnIn) {
  ::setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  void* handle = ::dlopen(real_library().c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(handle, nullptr) << ::dlerror();
  ::unsetenv("ORT_DYLIB_PATH");
  const auto base = reinterpret_cast<const void* (*)()>(::dlsym(handle, "OrtGetApiBase"));
  ASSERT_NE(base, nullptr);
  EXPECT_TRUE(Predictor::open(bundle_of("scale_rows"), Options().host(base(), nullptr)).self_test().passed);

  void* old = ::dlopen(FAKE_OLD, RTLD_NOW | RTLD_LOCAL);
  const auto old_base = reinterpret_cast<const void* (*)()>(::dlsym(old, "OrtGetApiBase"));
  EXPECT_EQ(open_with(Options().host(old_base(), nullptr)).code, "library_too_old");
}

}  // namespace bundle::test
