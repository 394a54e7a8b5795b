package predictor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const chunk = 1 << 20

// openRegular opens a regular file without following a link or waiting for a pipe; a link or pipe may take
// its place after it was checked, so the flags and the second look matter.
func openRegular(path, subject string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fileMissing(err, subject)
	}
	if err := checkRegular(info, subject); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fileMissing(err, subject)
	}
	info, err = file.Stat()
	if err == nil {
		err = checkRegular(info, subject)
	}
	if err != nil {
		_ = file.Close()
		return nil, asRefusal(err, subject)
	}
	return file, nil
}

func checkRegular(info fs.FileInfo, subject string) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return refuse("file_not_regular", subject, "a regular file", kindOf(info.Mode()))
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a regular file"
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a link"
	}
	return "a device, pipe or socket"
}

func fileMissing(err error, subject string) error {
	return refuseFor(err, "file_missing", subject, "a file that can be read")
}

// asRefusal leaves a refusal as it is; any other error says that the file cannot be read.
func asRefusal(err error, subject string) error {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal
	}
	return fileMissing(err, subject)
}

// readFile returns at most limit bytes of a regular file; the whole where limit is negative.
func readFile(path, subject string, limit int64) ([]byte, error) {
	file, err := openRegular(path, subject)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var reader io.Reader = file
	if limit >= 0 {
		reader = io.LimitReader(file, limit)
	}
	data, err := io.ReadAll(reader)
	if err != nil {
		return nil, fileMissing(err, subject)
	}
	return data, nil
}

// NCHWc operators hold weights in blocks of the converting CPU's vector width; on another CPU the file
// loads and answers wrongly, without an error. Every file that ONNX Runtime writes names the domain among
// its imports, so only these say that a node uses it: in .ort an operator's id in the kernel type table,
// in .onnx the field `domain` (number 7, 19 bytes long) of a node.
var hostSpecificSigns = map[string][]byte{
	".ort":  []byte("com.microsoft.nchwc:"),
	".onnx": append([]byte{0x3a, 0x13}, "com.microsoft.nchwc"...),
}

// digestFile returns the SHA-256 of a file in hex, and whether it holds the bytes of sign.
func digestFile(path, subject string, sign []byte) (string, bool, error) {
	file, err := openRegular(path, subject)
	if err != nil {
		return "", false, err
	}
	defer func() { _ = file.Close() }()
	hash, found := sha256.New(), false
	keep := max(len(sign)-1, 0)
	// The last bytes of the piece before stay in front, so that a sign across the seam is seen.
	buffer := make([]byte, keep+chunk)
	kept := 0
	for {
		n, err := file.Read(buffer[kept : kept+chunk])
		_, _ = hash.Write(buffer[kept : kept+n])
		window := buffer[:kept+n]
		found = found || len(sign) > 0 && bytes.Contains(window, sign)
		kept = copy(buffer, window[max(len(window)-keep, 0):])
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(hash.Sum(nil)), found, nil
		}
		if err != nil {
			return "", false, fileMissing(err, subject)
		}
	}
}

// resolveLinks returns the absolute path without links of what a path leads to, as the kernel finds it:
// filepath.Abs would take a `..` behind a link for the folder that holds the link.
func resolveLinks(path string) (string, error) {
	if path == "" {
		return "", syscall.ENOENT
	}
	if !filepath.IsAbs(path) {
		here, err := os.Getwd()
		if err != nil {
			return "", err
		}
		path = here + "/" + path
	}
	return filepath.EvalSymlinks(path)
}

// resolveRoot is check O1: it returns the folder with links resolved.
func resolveRoot(path string) (string, error) {
	absolute, err := resolveLinks(path)
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(absolute)
	}
	if err == nil && !info.IsDir() {
		err = errors.New("something else")
	}
	var folder *os.File
	if err == nil {
		folder, err = os.Open(absolute)
	}
	if err == nil {
		_, err = folder.Readdirnames(1)
		_ = folder.Close()
		if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		return "", refuseFor(err, "bundle_not_found", ".", "a folder at "+quoted(path))
	}
	return absolute, nil
}
