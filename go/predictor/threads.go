package predictor

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// effectiveThreads returns wanted, lowered to what the process may use and never below 1. ONNX Runtime does
// not look at the CPU quota of a control group: more threads than the quota only make each other wait.
func effectiveThreads(wanted int, root string) int {
	count := min(wanted, runtime.NumCPU())
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return max(count, 1)
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		for _, cpus := range quotas(filepath.Join(root, "sys/fs/cgroup"), fields[1], fields[2]) {
			count = min(count, cpus)
		}
	}
	return max(count, 1)
}

// quotas returns the whole CPUs that a control group and those above it grant, under each place that it
// may be mounted at: a container may see its own group as the root while path names it from outside.
func quotas(mount, controllers, path string) []int {
	places, read := []string{"", "unified"}, quotaV2
	if controllers != "" {
		if !slices.Contains(strings.Split(controllers, ","), "cpu") {
			return nil
		}
		places, read = []string{"cpu", controllers, "cpu,cpuacct"}, quotaV1
	}
	var cpus []int
	for _, place := range places {
		for group := filepath.Clean("/" + path); ; group = filepath.Dir(group) {
			quota, period := read(filepath.Join(mount, place, group))
			if quota > 0 && period > 0 {
				// Rounded down: the second thread of a quota of 1.5 would exceed it.
				cpus = append(cpus, quota/period)
			}
			if group == "/" {
				break
			}
		}
	}
	return cpus
}

func quotaV2(folder string) (quota, period int) {
	words := strings.Fields(readText(filepath.Join(folder, "cpu.max")))
	if len(words) < 2 {
		return 0, 0
	}
	return positive(words[0]), positive(words[1])
}

func quotaV1(folder string) (quota, period int) {
	return positive(readText(filepath.Join(folder, "cpu.cfs_quota_us"))), positive(readText(filepath.Join(folder, "cpu.cfs_period_us")))
}

// positive returns a number, 0 where there is none: `max` and -1 mean no quota.
func positive(text string) int {
	count, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0
	}
	return max(count, 0)
}

func readText(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}
