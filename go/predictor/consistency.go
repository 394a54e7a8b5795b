package predictor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// manifestFault returns the refusal for an error of parseJSON (checks M2 and M3).
func manifestFault(err error) error {
	if errors.Is(err, errNotCanonical) {
		return refuseFor(err, "manifest_not_canonical", "", "canonical JSON")
	}
	return refuseFor(err, "manifest_malformed", "", "one JSON text in UTF-8")
}

// checkConsistency makes the checks M6 to M14 over a tree whose structure is right.
func checkConsistency(top object) error {
	checks := []func(object) error{
		checkFeatures, checkPaths, checkOrder, checkConflicts, checkUnique, checkScalars, checkTarget, checkReferences,
		checkAgreement,
	}
	for _, check := range checks {
		if err := check(top); err != nil {
			return err
		}
	}
	return nil
}

// checkFeatures is check M6: version 1 knows no feature, and no components without one.
func checkFeatures(top object) error {
	if features := digTexts(top, "features"); len(features) > 0 {
		return refuse("feature_unsupported", "/features/0", "no feature", quoted(features[0]))
	}
	if components := entries(top, "components"); len(components) > 0 {
		return refuse("feature_unsupported", "/components", "none", strconv.Itoa(len(components)))
	}
	return nil
}

// checkPaths is check M7: a path stays in the bundle and means the same file on every system.
func checkPaths(top object) error {
	for index, entry := range entries(top, "files") {
		if path := digText(entry, "path"); !isSafePath(path) {
			expected := "models, golden, config or lib, then plain names joined by `/`"
			return refuse("path_unsafe", fmt.Sprintf("/files/%d/path", index), expected, quoted(path))
		}
	}
	return nil
}

func isSafePath(path string) bool {
	const longest = 1024
	folder, rest, nested := strings.Cut(path, "/")
	if len(path) > longest || !nested || !slices.Contains([]string{"models", "golden", "config", "lib"}, folder) {
		return false
	}
	for component := range strings.SplitSeq(rest, "/") {
		if !isSafeComponent(component) {
			return false
		}
	}
	return true
}

func isSafeComponent(name string) bool {
	const longest = 255
	if name == "" || len(name) > longest || name[0] == '.' || name[0] == '-' || name[len(name)-1] == '.' {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// checkOrder is check M8.
func checkOrder(top object) error {
	before := ""
	for index, entry := range entries(top, "files") {
		path := digText(entry, "path")
		if index > 0 && path <= before {
			return refuse("manifest_field_value", fmt.Sprintf("/files/%d/path", index), "after "+quoted(before), quoted(path))
		}
		before = path
	}
	return nil
}

// pathNode is a folder or file of a listed path, found by its lower-case name.
type pathNode struct {
	spelling string
	// inside is nil for a file.
	inside map[string]*pathNode
}

// checkConflicts is check M9. It keeps a tree of components, because 1 MiB of deep paths would have
// hundreds of megabytes of folder names.
func checkConflicts(top object) error {
	root := map[string]*pathNode{}
	for index, entry := range entries(top, "files") {
		path := digText(entry, "path")
		if !placePath(root, strings.Split(path, "/")) {
			return refuse("path_conflict", fmt.Sprintf("/files/%d/path", index), "one spelling, one file", quoted(path))
		}
	}
	return nil
}

func placePath(content map[string]*pathNode, components []string) bool {
	last := len(components) - 1
	for _, name := range components[:last] {
		node := content[strings.ToLower(name)]
		if node == nil {
			node = &pathNode{name, map[string]*pathNode{}}
			content[strings.ToLower(name)] = node
		}
		if node.spelling != name || node.inside == nil {
			return false
		}
		content = node.inside
	}
	name := components[last]
	if content[strings.ToLower(name)] != nil {
		return false
	}
	content[strings.ToLower(name)] = &pathNode{spelling: name}
	return true
}

// checkUnique is check M10.
func checkUnique(top object) error {
	lists := [][2]string{
		{"golden", "name"}, {"golden", "path"}, {"inputs", "name"}, {"outputs", "name"},
		{"states", "input"}, {"states", "output"}, {"variants", "name"},
	}
	for _, list := range lists {
		seen := map[string]bool{}
		for index, entry := range entries(top, list[0]) {
			names := []string{digText(entry, list[1])}
			if DType(digText(entry, "dtype")) == String {
				names = append(names, names[0]+offsetsSuffix, names[0]+textSuffix)
			}
			for _, name := range names {
				if seen[name] {
					return refuse("name_duplicate", fmt.Sprintf("/%s/%d/%s", list[0], index, list[1]), "a name of its own", quoted(name)+" again")
				}
			}
			for _, name := range names {
				seen[name] = true
			}
		}
	}
	return nil
}

// checkScalars is check M11: not every runtime carries strings and float16 without axes.
func checkScalars(top object) error {
	for _, section := range []string{"inputs", "outputs"} {
		for index, entry := range entries(top, section) {
			port := buildPort(entry)
			if len(port.Shape) == 0 && (port.DType == String || port.DType == Float16) {
				return refuse("tensor_unsupported", fmt.Sprintf("/%s/%d", section, index), "at least one axis", string(port.DType)+" of rank 0")
			}
		}
	}
	return nil
}

// checkTarget is check M12.
func checkTarget(top object) error {
	targets := digObject(table("targets.json"), "targets")
	arch := digText(top, "target", "arch")
	row, known := targets[arch].(object)
	if !known {
		return refuse("target_unknown", "/target/arch", "one of "+quoted(slices.Sorted(maps.Keys(targets))...), quoted(arch))
	}
	classes := slices.Sorted(maps.Keys(digObject(row, "cpu_classes")))
	if err := listed("target_unknown", "/target/cpu_class", digText(top, "target", "cpu_class"), classes); err != nil {
		return err
	}
	if err := listed("target_unknown", "/target/os", digText(top, "target", "os"), []string{digText(row, "os")}); err != nil {
		return err
	}
	for index, entry := range entries(top, "variants") {
		if err := listed("target_unknown", fmt.Sprintf("/variants/%d/cpu_class", index), digText(entry, "cpu_class"), classes); err != nil {
			return err
		}
	}
	return nil
}

func listed(code, subject, name string, known []string) error {
	if slices.Contains(known, name) {
		return nil
	}
	expected := "nothing to name"
	if len(known) > 0 {
		expected = "one of " + quoted(known...)
	}
	return refuse(code, subject, expected, quoted(name))
}
