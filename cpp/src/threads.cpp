#include "threads.hpp"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

#include "text.hpp"

namespace bundle::detail {

namespace {

struct Quota {
  std::int64_t time = 0;
  std::int64_t period = 0;
};

/// Reads numbers separated by spaces; where there is none (`max`, -1), 0: no quota.
std::int64_t number_in(const std::string& path, bool second) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  if (second) {
    word.clear();
    file >> word;
  }
  const bool plain =
      !word.empty() && word.size() < 16 && word.find_first_not_of("0123456789") == std::string::npos;
  return plain ? std::stoll(word) : 0;
}

Quota quota_v1(const std::string& folder) {
  return {number_in(folder + "/cpu.cfs_quota_us", false), number_in(folder + "/cpu.cfs_period_us", false)};
}

Quota quota_v2(const std::string& folder) {
  return {number_in(folder + "/cpu.max", false), number_in(folder + "/cpu.max", true)};
}

/// The folder of a group and of all groups above it. A container may see its own group as the root of the
/// mount while `group` names it from outside.
std::vector<std::string> folders_of(const std::string& mount, std::string group) {
  std::vector<std::string> folders;
  while (true) {
    folders.push_back(mount + group);
    const std::size_t slash = group.rfind('/');
    if (group.empty() || slash == std::string::npos) {
      return folders;
    }
    group.resize(slash);
  }
}

std::int64_t lowered(std::int64_t threads, const Quota& quota) {
  // Rounded down: the second thread of a quota of 1.5 would exceed it.
  return quota.time > 0 && quota.period > 0 ? std::min(threads, quota.time / quota.period) : threads;
}

bool has_cpu(const std::string& controllers) {
  std::istringstream list(controllers);
  std::string one;
  while (std::getline(list, one, ',')) {
    if (one == "cpu") {
      return true;
    }
  }
  return false;
}

std::int64_t lowered_by_groups(std::int64_t threads, const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  const std::string mounts = root + "/sys/fs/cgroup";
  std::string line;
  while (std::getline(groups, line)) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      for (const char* mount : {"", "/unified"}) {
        for (const std::string& folder : folders_of(mounts + mount, group)) {
          threads = lowered(threads, quota_v2(folder));
        }
      }
    } else if (has_cpu(controllers)) {
      for (const std::string& mount : {std::string("cpu"), controllers, std::string("cpu,cpuacct")}) {
        for (const std::string& folder : folders_of(mounts + "/" + mount, group)) {
          threads = lowered(threads, quota_v1(folder));
        }
      }
    }
  }
  return threads;
}

}  // namespace

std::int64_t effective_threads(std::int64_t wanted, const std::string& root) {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    wanted = std::min<std::int64_t>(wanted, CPU_COUNT(&set));
  }
  return std::max<std::int64_t>(1, lowered_by_groups(wanted, root));
}

}  // namespace bundle::detail
