#include "threads.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "vectors.hpp"

namespace bundle::detail {

namespace {

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

}  // namespace

TEST(Threads, AreAtLeastOne) { EXPECT_EQ(effective_threads(1), 1); }

TEST(Threads, AQuotaOfAGroupAboveLowersThem) {
  const test::TemporaryFolder root;
  write(root.path() / "proc/self/cgroup", "0::/above/mine\n");
  write(root.path() / "sys/fs/cgroup/above/mine/cpu.max", "max 100000\n");
  write(root.path() / "sys/fs/cgroup/above/cpu.max", "150000 100000\n");
  EXPECT_EQ(effective_threads(64, root.path()), 1);
}

TEST(Threads, TheFirstVersionOfGroupsIsReadToo) {
  const test::TemporaryFolder root;
  write(root.path() / "proc/self/cgroup", "3:cpu,cpuacct:/mine\n2:memory:/mine\n");
  write(root.path() / "sys/fs/cgroup/cpu,cpuacct/mine/cpu.cfs_quota_us", "50000\n");
  write(root.path() / "sys/fs/cgroup/cpu,cpuacct/mine/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(effective_threads(64, root.path()), 1);
}

}  // namespace bundle::detail
