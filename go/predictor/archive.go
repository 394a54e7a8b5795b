package predictor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// archive is an open file whose manifest and headers passed the checks A1 to A7; contents are judged when
// they are written, by O1 to O8.
type archive struct {
	file   *os.File
	length int64
	// manifest is checked.
	manifest *Manifest
	// entries are bundle.json and the listed files, in manifest order.
	entries []archiveEntry
	// statements are the files of attest/, where the archive holds any.
	statements []archiveEntry
}

// archiveEntry is a file in an archive: its path in the bundle, where its content begins, its size in bytes.
type archiveEntry struct {
	path         string
	offset, size int64
}

// end returns where the header after an entry begins.
func (e *archiveEntry) end() int64 { return e.offset + e.size + tarPadding(e.size) }

// openArchive checks all that stands before and between the contents; nothing is written. An empty digest
// means any identity, a negative length the limit of spec/store.json.
func openArchive(path, digest string, longest int64) (*archive, error) {
	file, length, err := openArchiveFile(path)
	if err != nil {
		return nil, err
	}
	a := &archive{file: file, length: length}
	if longest < 0 {
		longest = archiveLimit("max_bytes")
	}
	if length > longest {
		err = refuse("archive_too_large", ".", fmt.Sprintf("at most %d bytes", longest), fmt.Sprintf("%d bytes", length))
	} else {
		err = a.read(digest)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return a, nil
}

func archiveLimit(name string) int64 {
	limit, _ := dig(table("store.json"), "archive", name).(float64)
	return int64(limit)
}

// openArchiveFile is check A1. The flags keep a pipe from being waited for.
func openArchiveFile(path string) (*os.File, int64, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, 0, unreadableArchive(err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New(kindOf(info.Mode()))
	}
	if err != nil {
		_ = file.Close()
		return nil, 0, unreadableArchive(err)
	}
	return file, info.Size(), nil
}

func unreadableArchive(err error) error {
	return refuseFor(err, "archive_not_found", ".", "an archive, a regular file that can be read")
}

// read makes the checks A3 to A7.
func (a *archive) read(digest string) error {
	first, err := a.entry(manifestName, 0)
	if err != nil {
		return err
	}
	if first.size > maxManifest {
		return refuse("manifest_too_large", "", fmt.Sprintf("at most %d bytes", maxManifest), fmt.Sprintf("%d bytes", first.size))
	}
	if err := a.checkContent(first); err != nil {
		return err
	}
	data, err := a.bytes(first.offset, first.size, first.path)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(data); digest != "" && hex.EncodeToString(sum[:]) != digest {
		return refuse("bundle_digest_mismatch", manifestName, digest, hex.EncodeToString(sum[:]))
	}
	if a.manifest, err = ParseManifest(data); err != nil {
		return err
	}
	a.entries = []archiveEntry{first}
	if err := a.readListed(); err != nil {
		return err
	}
	return a.readStatements()
}

// readListed is check A5.
func (a *archive) readListed() error {
	for _, file := range a.manifest.files {
		next, err := a.entry(file.path, a.entries[len(a.entries)-1].end())
		if err != nil {
			return err
		}
		if next.size != file.size {
			return refuse("file_size_mismatch", file.path, fmt.Sprintf("%d bytes", file.size), fmt.Sprintf("%d bytes", next.size))
		}
		if err := a.checkContent(next); err != nil {
			return err
		}
		a.entries = append(a.entries, next)
	}
	return nil
}

// readStatements is check A6, then A7.
func (a *archive) readStatements() error {
	offset, total := a.entries[len(a.entries)-1].end(), int64(0)
	for {
		block, err := a.bytes(offset, tarBlock, statements)
		if err != nil {
			return err
		}
		if isZero(block) {
			return a.checkEnd(offset + tarBlock)
		}
		path, size, err := readTarHeader(block, statements)
		if err != nil {
			return err
		}
		if err := a.checkStatementPath(path); err != nil {
			return err
		}
		total += size
		most, longest := archiveLimit("max_statements"), archiveLimit("max_statement_bytes")
		if total > longest || int64(len(a.statements)) == most {
			return refuse("archive_too_large", statements, fmt.Sprintf("at most %d statements of %d bytes", most, longest), "more")
		}
		next := archiveEntry{path, offset + tarBlock, size}
		if err := a.checkContent(next); err != nil {
			return err
		}
		a.statements = append(a.statements, next)
		offset = next.end()
	}
}

func (a *archive) checkStatementPath(path string) error {
	folder, name, _ := strings.Cut(path, "/")
	if folder != statements || !isSafeComponent(name) {
		return refuse("archive_entry_unexpected", statements, "a statement or the end", quoted(path))
	}
	for index := range a.statements {
		if before := a.statements[index].path; path <= before || strings.EqualFold(path, before) {
			return refuse("archive_entry_unexpected", statements, "a name after "+quoted(before), quoted(path))
		}
	}
	return nil
}

// checkEnd is check A7, once the first zero block was seen.
func (a *archive) checkEnd(offset int64) error {
	block, err := a.bytes(offset, tarBlock, ".")
	if err != nil {
		return err
	}
	if !isZero(block) {
		return refuse("archive_malformed", ".", "two zero blocks at the end", "something after one")
	}
	if more := a.length - offset - tarBlock; more != 0 {
		return refuse("archive_malformed", ".", "nothing after the two zero blocks", fmt.Sprintf("%d bytes more", more))
	}
	return nil
}

// entry reads the header at an offset, which must be that of path.
func (a *archive) entry(path string, offset int64) (archiveEntry, error) {
	block, err := a.bytes(offset, tarBlock, path)
	if err != nil {
		return archiveEntry{}, err
	}
	if isZero(block) {
		return archiveEntry{}, refuse("file_missing", path, "this file next", "the end of the archive")
	}
	found, size, err := readTarHeader(block, path)
	if err != nil {
		return archiveEntry{}, err
	}
	if found != path {
		return archiveEntry{}, refuse("archive_entry_unexpected", path, "this file next", quoted(found))
	}
	return archiveEntry{path, offset + tarBlock, size}, nil
}

// checkContent finds a content and its padding inside the archive, and zeros in the padding.
func (a *archive) checkContent(e archiveEntry) error {
	if e.end() > a.length {
		left := fmt.Sprintf("%d bytes", a.length-e.offset)
		return refuse("archive_truncated", e.path, fmt.Sprintf("%d bytes and padding", e.size), left)
	}
	padding, err := a.bytes(e.offset+e.size, tarPadding(e.size), e.path)
	if err == nil && !isZero(padding) {
		err = refuse("archive_malformed", e.path, "zeros behind the content", "other bytes")
	}
	return err
}

// bytes returns a part of the archive. The counts are those of blocks and of contents that were found to be
// inside the file, so no header can ask for memory that its file does not fill.
func (a *archive) bytes(offset, count int64, subject string) ([]byte, error) {
	data := make([]byte, count)
	_, err := a.file.ReadAt(data, offset)
	if err == nil {
		return data, nil
	}
	return nil, readFault(err, subject)
}

// readFault tells an archive that ends too early from one that cannot be read.
func readFault(err error, subject string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse("archive_truncated", subject, "a whole archive", "one that ends here")
	}
	return unreadableArchive(err)
}

// extract writes the manifest and the listed files to a folder, each synced to the disk and readable by all.
// The error is an *Error where the archive changed since it was opened, else what the file system says.
func (a *archive) extract(folder string) error {
	buffer := make([]byte, chunk)
	for index := range a.entries {
		entry := &a.entries[index]
		path := filepath.Join(folder, filepath.FromSlash(entry.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := a.write(entry, path, buffer); err != nil {
			return err
		}
	}
	return nil
}

// write copies one content to a new file.
func (a *archive) write(entry *archiveEntry, path string, buffer []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	for done := int64(0); done < entry.size; {
		piece := buffer[:min(int64(len(buffer)), entry.size-done)]
		if _, err := a.file.ReadAt(piece, entry.offset+done); err != nil {
			return readFault(err, entry.path)
		}
		if _, err := file.Write(piece); err != nil {
			return err
		}
		done += int64(len(piece))
	}
	// The umask of a service may hide the file from those who are to open it.
	if err := file.Chmod(0o644); err != nil {
		return err
	}
	return file.Sync()
}

func (a *archive) close() { _ = a.file.Close() }
