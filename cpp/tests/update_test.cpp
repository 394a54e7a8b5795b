// A device folder from update to update: STORE.md section 4.
#include "bundle/update.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include "archives.hpp"
#include "bundle/error.hpp"
#include "bundle/predictor.hpp"
#include "device_folder.hpp"
#include "vectors.hpp"

namespace bundle::test {

namespace {

namespace fs = std::filesystem;

constexpr fs::perms file_mode =
    fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read | fs::perms::others_read;
constexpr fs::perms folder_mode =
    file_mode | fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;

class UpdateTest : public testing::Test {
 protected:
  /// Writes the archive of a bundle of the cases with another version, and name or metadata; returns where.
  fs::path archive(const std::string& version, const std::string& name = "vector",
                   const std::string& bundle = "self_test_passes") {
    Contents contents = contents_of(bundle_of(bundle));
    std::string& manifest = contents[0].second;
    const std::string model = R"("name":"vector","source")";
    manifest.replace(manifest.find(model), model.size(), R"("name":")" + name + R"(","source")");
    const std::string one = R"("version":"1.0.0"})";
    manifest.replace(manifest.find(one), one.size(), R"("version":")" + version + R"("})");
    const fs::path path = folder_.path() / "archives" / (bundle + "-" + name + version + ".bundle");
    write_file(path, archive_of(contents));
    return path;
  }

  /// Code and subject of the refusal of an update.
  std::string refusal(const fs::path& archive, const Options& options = {}) const {
    try {
      update(device_, archive, options);
    } catch (const Error& error) {
      return error.code() + " " + error.subject();
    }
    return "none";
  }

  std::string rollback_refusal() const {
    try {
      rollback(device_);
    } catch (const Error& error) {
      return error.code() + " " + error.subject();
    }
    return "none";
  }

  /// Every path below the device folder, and the text of links.
  std::vector<std::string> state() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(device_)) {
      const fs::path& path = entry.path();
      found.push_back(path.string() + (entry.is_symlink() ? fs::read_symlink(path).string() : ""));
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  std::string running() const { return Predictor::open(device_ / "current").bundle().manifest().version(); }

  TemporaryFolder folder_;
  fs::path device_ = folder_.path() / "way" / "device";
};

}  // namespace

TEST_F(UpdateTest, TheNewBundleRunsAndTheOldOneIsKept) {
  const Updated first = update(device_, archive("1.9.0"));
  EXPECT_TRUE(first.changed);
  EXPECT_EQ(first.previous, std::nullopt);
  const Updated second = update(device_, archive("1.10.0"));
  EXPECT_EQ(second.name + second.version, "vector1.10.0");
  EXPECT_EQ(second.previous, "1.9.0");
  EXPECT_EQ(running(), "1.10.0");
  const Updated third = update(device_, archive("2.0.0"));
  EXPECT_EQ(third.previous, "1.10.0");
  EXPECT_FALSE(fs::exists(device_ / "sha256" / first.digest));
  EXPECT_EQ(fs::read_symlink(device_ / "current"), "sha256/" + third.digest);
  EXPECT_EQ(fs::read_symlink(device_ / "previous"), "sha256/" + second.digest);
  EXPECT_TRUE(fs::is_empty(device_ / "staging"));
  EXPECT_EQ(fs::status(device_ / "current" / "models").permissions(), folder_mode);
  EXPECT_EQ(fs::status(device_ / "current" / "models" / "source.onnx").permissions(), file_mode);
}

TEST_F(UpdateTest, TheSameBundleAgainChangesNothing) {
  update(device_, archive("1.0.0"));
  update(device_, archive("1.1.0"));
  const auto before = state();
  const Updated again = update(device_, archive("1.1.0"));
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.previous, "1.0.0");
  EXPECT_EQ(state(), before);
}

TEST_F(UpdateTest, WhatMayNotRunHereIsRefused) {
  update(device_, archive("1.10.0"));
  const auto before = state();
  EXPECT_EQ(refusal(archive("1.9.9")), "version_older vector@1.9.9");
  EXPECT_EQ(refusal(archive("2.0.0", "other")), "name_mismatch other");
  EXPECT_EQ(refusal(archive("1.10.0", "vector", "flips_by_threshold")), "version_conflict vector@1.10.0");
  EXPECT_EQ(refusal(archive("2.0.0"), Options().set("variant", "none")), "variant_unknown none");
  EXPECT_EQ(refusal(archive("2.0.0"), Options().set("max_bytes", 100)), "archive_too_large .");
  EXPECT_EQ(refusal(folder_.path()), "archive_not_found .");
  EXPECT_EQ(state(), before);
  EXPECT_EQ(running(), "1.10.0");
}

TEST_F(UpdateTest, OneThatDoesNotAnswerAsRecordedIsRefused) {
  update(device_, archive("1.0.0"));
  const auto before = state();
  EXPECT_EQ(refusal(archive("2.0.0", "vector", "self_test_exact")), "self_test_failed case1/y");
  EXPECT_EQ(state(), before);
}

TEST_F(UpdateTest, OptionsAreJudgedFirst) {
  EXPECT_EQ(refusal("none", Options().set("digest", "HEX")), "option_invalid digest");
  EXPECT_EQ(refusal("none", Options().set("max_bytes", 0)), "option_invalid max_bytes");
  EXPECT_EQ(refusal("none", Options().set("mode", "full")), "option_invalid mode");
  EXPECT_EQ(refusal("none", Options().set("replace", 1)), "option_invalid replace");
  EXPECT_EQ(refusal(archive("1.0.0"), Options().set("digest", std::string(64, '0'))),
            "bundle_digest_mismatch bundle.json");
  EXPECT_FALSE(fs::exists(folder_.path() / "way"));
}

TEST_F(UpdateTest, AnotherBundleOfTheSameVersionOnRequest) {
  update(device_, archive("1.0.0"));
  const fs::path other = archive("1.0.0", "vector", "synthetic_case");
  EXPECT_EQ(refusal(other), "version_conflict vector@1.0.0");
  EXPECT_TRUE(update(device_, other, Options().set("replace", true)).changed);
  EXPECT_EQ(running(), "1.0.0");
}

TEST_F(UpdateTest, RollbackReturnsAndReturnsAgain) {
  update(device_, archive("1.0.0"));
  EXPECT_EQ(rollback_refusal(), "rollback_impossible previous");
  update(device_, archive("1.1.0"));
  const Updated back = rollback(device_);
  EXPECT_EQ(back.version, "1.0.0");
  EXPECT_EQ(back.previous, "1.1.0");
  EXPECT_TRUE(back.changed);
  EXPECT_EQ(rollback(device_).version, "1.1.0");
  rollback(device_);
  // The bundle is still there and whole: it is not written again, but has to prove itself.
  EXPECT_TRUE(update(device_, archive("1.1.0")).changed);
  EXPECT_EQ(running(), "1.1.0");
}

TEST_F(UpdateTest, ADamagedBundleIsMended) {
  update(device_, archive("1.0.0"));
  fs::remove(device_ / "current" / "models" / "source.onnx");
  EXPECT_TRUE(update(device_, archive("1.0.0")).changed);
  EXPECT_EQ(running(), "1.0.0");
  const Updated second = update(device_, archive("1.1.0"));
  fs::remove(device_ / "previous" / "models" / "source.onnx");
  EXPECT_EQ(rollback_refusal(), "rollback_impossible previous");
  fs::remove(device_ / "current" / "bundle.json");
  // Nothing says any longer which version ran.
  update(device_, archive("0.9.0"));
  EXPECT_EQ(running(), "0.9.0");
  EXPECT_FALSE(fs::exists(device_ / "sha256" / second.digest));
}

TEST_F(UpdateTest, WhatAKilledProcessLeftIsRemoved) {
  update(device_, archive("1.0.0"));
  const fs::path left = device_ / "sha256" / std::string(64, 'a');
  write_file(left / "models" / "x", "x");
  write_file(device_ / "staging" / "update" / "bundle" / "x", "x");
  write_file(device_ / "sha256" / "mine", "x");
  EXPECT_FALSE(update(device_, archive("1.0.0")).changed);
  EXPECT_FALSE(fs::exists(left));
  EXPECT_FALSE(fs::exists(device_ / "staging" / "update"));
  EXPECT_TRUE(fs::exists(device_ / "sha256" / "mine"));
}

TEST_F(UpdateTest, WhatADeadProcessLeftIsNoStagedBundle) {
  const Updated first = update(device_, archive("1.0.0"));
  const detail::DeviceFolder device(device_, detail::DeviceFolder::Missing::refuse);
  device.stage([](const std::string& left) { write_file(left + "/x", "x"); });
  device.switch_to(first.digest, false);
  EXPECT_EQ(running(), "1.0.0");
}

TEST_F(UpdateTest, TheOldBundleReturnsWhereTheNewOneCannotTakeItsPlace) {
  const Updated first = update(device_, archive("1.0.0"));
  const detail::DeviceFolder device(device_, detail::DeviceFolder::Missing::refuse);
  // Without the staged bundle both its exchange and its rename fail.
  fs::remove(device.stage([](const std::string&) {}));
  EXPECT_THROW(device.switch_to(first.digest, true), Error);
  EXPECT_EQ(running(), "1.0.0");
}

TEST_F(UpdateTest, WhatIsNoDeviceFolderIsLeftAlone) {
  for (const char* name : {"refs", "sha256", "staging", "current", "previous"}) {
    const TemporaryFolder other;
    device_ = other.path();
    write_file(device_ / name, "mine");
    EXPECT_EQ(refusal(archive("1.0.0")), "device_folder_unsuitable " + device_.string());
    EXPECT_EQ(rollback_refusal(), "device_folder_unsuitable " + device_.string());
    EXPECT_EQ(read_file(device_ / name), "mine");
  }
  device_ = "";
  EXPECT_EQ(refusal(archive("1.0.0")), "store_unwritable ");
  device_ = folder_.path() / "link";
  fs::create_symlink("nowhere", device_);
  EXPECT_EQ(refusal(archive("1.0.0")), "store_unwritable " + device_.string());
  EXPECT_FALSE(fs::exists(folder_.path() / "nowhere"));
  device_ = "/dev/null";
  EXPECT_EQ(refusal(archive("1.0.0")), "store_unwritable /dev/null");
  device_ = std::string("a\0b", 3);
  EXPECT_EQ(refusal(archive("1.0.0")), "store_unwritable " + device_.string());
}

TEST_F(UpdateTest, AFullDiskLeavesTheOldBundle) {
  update(device_, archive("1.0.0"));
  const auto before = state();
  const fs::path next = archive("1.1.0");
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{200, 200};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::_exit(refusal(next) == "store_unwritable " + device_.string() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(state(), before);
}

TEST_F(UpdateTest, OneUpdateAtATime) {
  update(device_, archive("1.0.0"));
  std::vector<std::thread> threads;
  std::atomic<int> updated{0};
  for (int i = 1; i <= 4; ++i) {
    threads.emplace_back([&, path = archive("1." + std::to_string(i) + ".0")] {
      const std::string found = refusal(path);
      updated += found == "none" || found.rfind("version_older", 0) == 0 ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(updated, 4);
  EXPECT_EQ(running(), "1.4.0");
}

}  // namespace bundle::test
