package predictor

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
)

// modelFile is the file of a variant that check P4 chose.
type modelFile struct {
	format, path, reason string
}

// chooseFile is check P4; wanted is "onnx", "ort" or "" for a choice.
func chooseFile(manifest *Manifest, variant *Variant, version, wanted string, foreign bool) (modelFile, error) {
	onnx, hasONNX := variant.Files["onnx"]
	frozen, hasORT := variant.Files["ort"]
	if wanted != "" && variant.Files[wanted] == "" {
		expected := "a file of that format in variant " + quoted(variant.Name)
		return modelFile{}, refuse("format_unavailable", wanted, expected, "only "+quoted(sortedNames(variant.Files)...))
	}
	if wanted == "onnx" {
		return modelFile{"onnx", onnx, "asked for"}, nil
	}
	if !hasORT {
		return modelFile{"onnx", onnx, "the variant has no .ort file"}, nil
	}
	code, obstacle := "target_mismatch", ""
	if !foreign {
		obstacle = misfit(manifest, variant, version)
	}
	if obstacle == "" {
		code, obstacle = "library_ort_format", unreadFormat(manifest, version)
	}
	switch {
	case obstacle == "" && wanted != "":
		return modelFile{"ort", frozen, "asked for"}, nil
	case obstacle == "":
		return modelFile{"ort", frozen, "the .ort file fits this host"}, nil
	case wanted == "" && hasONNX:
		return modelFile{"onnx", onnx, obstacle}, nil
	}
	return modelFile{}, refuse(code, frozen, "a file that this host and this library can load", obstacle)
}

// unreadFormat is check L11: why the library does not read the bundle's .ort files; "" where it may.
func unreadFormat(manifest *Manifest, version string) string {
	known := digObject(table("library.json"), "ort_format")
	newest, _ := known["newest"].(float64)
	stated := number(manifest.Tree, "runtime", "ort_format")
	until := dotted(digText(known, "until"))
	found := dotted(version)
	if slices.Compare(found[:min(len(found), len(until))], until) > 0 || stated <= int64(newest) {
		return ""
	}
	return fmt.Sprintf("the .ort file has ORT format %d, and ONNX Runtime %s reads up to %d", stated, version, int64(newest))
}

// misfit returns why this host may not load the variant's .ort file; "" where it may.
func misfit(manifest *Manifest, variant *Variant, version string) string {
	target := digText(manifest.Tree, "target", "arch")
	if arch := hostArch(); arch != target {
		return "the .ort file is frozen for " + target + ", this host is " + arch
	}
	needed := digTexts(table("targets.json"), "targets", target, "cpu_classes", variant.cpuClass, "features")
	has := hostFeatures("/proc/self/auxv")
	missing := slices.DeleteFunc(needed, func(feature string) bool { return slices.Contains(has, feature) })
	if len(missing) > 0 {
		return "the .ort file needs CPU features that this host lacks: " + strings.Join(missing, ", ")
	}
	if compareVersions(version, variant.writer) < 0 {
		return "the .ort file was written by ONNX Runtime " + variant.writer + ", this is " + version
	}
	return ""
}

// hwcapBits are the features of targets.json by their bit in AT_HWCAP (linux, arm64).
var hwcapBits = map[string]uint{"asimddp": 20}

// hostFeatures returns the CPU features, of those that targets.json names, that this host has, from the
// pairs of 64-bit numbers that the kernel handed to this process.
func hostFeatures(auxiliaryVector string) []string {
	const pair, hwcap = 16, 16
	data, err := os.ReadFile(auxiliaryVector)
	if err != nil || hostArch() != "arm64" {
		return nil
	}
	var features []string
	for ; len(data) >= pair; data = data[pair:] {
		if binary.NativeEndian.Uint64(data) != hwcap {
			continue
		}
		bits := binary.NativeEndian.Uint64(data[pair/2:])
		for feature, bit := range hwcapBits {
			if bits>>bit&1 == 1 {
				features = append(features, feature)
			}
		}
	}
	return features
}
