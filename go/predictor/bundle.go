package predictor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	manifestName = "bundle.json"
	// statements are about the bundle, and no part of it.
	statements = "attest"
)

// Bundle is a folder that was proven to be exactly what its manifest seals. It holds no open file and may
// be used from many goroutines.
type Bundle struct {
	// Path is the folder, with links resolved when it was opened.
	Path string
	// Manifest is the checked manifest.
	Manifest *Manifest

	quick bool
}

// OpenBundle proves that the folder at path is a whole bundle, by the checks O1 to O8 and M1 to M14.
// Of the options it takes "digest" (the identity to expect) and "mode" ("full", or "quick", which leaves out
// what reads whole files); any other is refused. The error is an *Error of stage open or manifest.
func OpenBundle(path string, options Options) (*Bundle, error) {
	for _, name := range sortedNames(options) {
		if name != optionDigest && name != optionMode {
			return nil, invalidOption(name, "digest or mode", "an option of a predictor")
		}
	}
	return openBundle(path, options)
}

// openBundle looks only at the options digest and mode.
func openBundle(path string, options Options) (*Bundle, error) {
	digest, quick, err := openingOptions(options)
	if err != nil {
		return nil, err
	}
	b, err := unprovenBundle(path, digest)
	if err != nil {
		return nil, err
	}
	b.quick = quick
	return b, b.prove()
}

// unprovenBundle makes the checks O1 to O3 and those of the manifest; an empty digest means any identity.
func unprovenBundle(path, digest string) (*Bundle, error) {
	root, err := resolveRoot(path)
	if err != nil {
		return nil, err
	}
	data, err := readFile(filepath.Join(root, manifestName), manifestName, maxManifest+1)
	if err != nil {
		return nil, err
	}
	if err := checkManifestSize(data); err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); digest != "" && hex.EncodeToString(sum[:]) != digest {
		return nil, refuse("bundle_digest_mismatch", manifestName, digest, hex.EncodeToString(sum[:]))
	}
	manifest, err := ParseManifest(data)
	if err != nil {
		return nil, err
	}
	return &Bundle{Path: root, Manifest: manifest}, nil
}

// prove makes the checks O4 to O8.
func (b *Bundle) prove() error {
	sizes, err := b.checkFiles()
	if err != nil {
		return err
	}
	if err := b.checkUnexpected(); err != nil {
		return err
	}
	for index, entry := range b.Manifest.files {
		if sizes[index] != entry.size {
			return refuse("file_size_mismatch", entry.path, fmt.Sprintf("%d bytes", entry.size), fmt.Sprintf("%d bytes", sizes[index]))
		}
	}
	if b.quick {
		return nil
	}
	return b.checkContent()
}

func (b *Bundle) file(relative string) string {
	return filepath.Join(b.Path, filepath.FromSlash(relative))
}

// checkFiles is the second half of check O4; it returns the files' sizes.
func (b *Bundle) checkFiles() ([]int64, error) {
	plain := map[string]bool{}
	sizes := make([]int64, 0, len(b.Manifest.files))
	for _, entry := range b.Manifest.files {
		for _, folder := range foldersOf(entry.path) {
			if plain[folder] {
				continue
			}
			info, err := os.Lstat(b.file(folder))
			if err != nil {
				return nil, fileMissing(err, entry.path)
			}
			if !info.IsDir() {
				return nil, refuse("file_not_regular", entry.path, "a regular file in plain folders", kindOf(info.Mode())+" on its way")
			}
			plain[folder] = true
		}
		info, err := os.Lstat(b.file(entry.path))
		if err != nil {
			return nil, fileMissing(err, entry.path)
		}
		if err := checkRegular(info, entry.path); err != nil {
			return nil, err
		}
		sizes = append(sizes, info.Size())
	}
	return sizes, nil
}

// foldersOf returns the folders on the way to a file, outermost first.
func foldersOf(path string) []string {
	var folders []string
	for i := range path {
		if path[i] == '/' {
			folders = append(folders, path[:i])
		}
	}
	return folders
}

// checkUnexpected is check O5.
func (b *Bundle) checkUnexpected() error {
	known := map[string]bool{manifestName: true, statements: true}
	folders := map[string]bool{"": true}
	for _, entry := range b.Manifest.files {
		known[entry.path] = true
		for _, folder := range foldersOf(entry.path) {
			folders[folder], known[folder] = true, true
		}
	}
	first, found := "", false
	for _, folder := range sortedNames(folders) {
		names, err := namesIn(b.file(folder))
		if err != nil {
			return fileMissing(err, folder)
		}
		for _, name := range names {
			path := strings.TrimPrefix(folder+"/"+name, "/")
			if !known[path] && (!found || path < first) {
				first, found = path, true
			}
		}
	}
	if found {
		return refuse("file_unexpected", shown(first), "only what the manifest lists", "something else")
	}
	return nil
}

// shown returns a name as text: a file system may hold bytes that are no UTF-8.
func shown(name string) string {
	return string([]rune(name))
}

func namesIn(folder string) ([]string, error) {
	file, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return file.Readdirnames(-1)
}

// checkContent makes the checks O7 and O8 while every file is read once; a digest outranks all findings of O8.
func (b *Bundle) checkContent() error {
	hostSpecific := ""
	for _, entry := range b.Manifest.files {
		var sign []byte
		if strings.HasPrefix(entry.path, "models/") {
			sign = hostSpecificSigns[filepath.Ext(entry.path)]
		}
		digest, found, err := digestFile(b.file(entry.path), entry.path, sign)
		if err != nil {
			return err
		}
		if digest != entry.sha256 {
			return refuse("file_digest_mismatch", entry.path, entry.sha256, digest)
		}
		if found && hostSpecific == "" {
			hostSpecific = entry.path
		}
	}
	if hostSpecific != "" {
		return refuse("host_specific_model", hostSpecific, "operators that every CPU has", "NCHWc nodes")
	}
	return nil
}
