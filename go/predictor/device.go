package predictor

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Names in a device folder.
const (
	bundlesPart  = "sha256"
	stagingPart  = "staging"
	storePart    = "refs"
	currentLink  = "current"
	previousLink = "previous"
)

var linkForm = regexp.MustCompile(`^` + bundlesPart + `/[0-9a-f]{64}$`)

// deviceFolder is a folder of one device's bundles whose lock this call holds.
type deviceFolder struct {
	// root is the folder with links resolved, name as the caller gave it.
	root, name string
	lock       *os.File
}

// holdDevice makes the checks U3 and U4, or V1 and V2, waits for the lock and removes what a killed process
// left; the folder is made where that is wanted and it is not there.
func holdDevice(name string, wanted bool) (*deviceFolder, error) {
	d := &deviceFolder{name: name}
	var err error
	if wanted {
		err = makeFolder(name)
	}
	if err == nil {
		d.root, err = resolveLinks(name)
	}
	if err == nil {
		d.lock, err = lockFolder(d.root)
	}
	if err != nil {
		return nil, d.unwritable(err)
	}
	if err := d.checkSuitable(); err != nil {
		d.release()
		return nil, err
	}
	d.clean()
	return d, nil
}

// makeFolder makes a folder that is not there, with those on its way, and syncs its name to the disk.
func makeFolder(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	made, err := resolveLinks(path)
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(made))
}

func (d *deviceFolder) release() { _ = d.lock.Close() }

// unwritable turns what the file system says into a refusal, and leaves a refusal as it is.
func (d *deviceFolder) unwritable(err error) error {
	if refusal := (*Error)(nil); err == nil || errors.As(err, &refusal) {
		return err
	}
	return refuseFor(err, "store_unwritable", d.name, "a folder that can be written")
}

// checkSuitable is check U4.
func (d *deviceFolder) checkSuitable() error {
	unsuitable := func(found string) error {
		return refuse("device_folder_unsuitable", d.name, "an empty folder, or one of updates alone", found)
	}
	if _, err := os.Lstat(d.path(storePart)); err == nil {
		return unsuitable("a store of many bundles (" + quoted(storePart) + "), which an update would delete")
	}
	for _, part := range []string{bundlesPart, stagingPart} {
		if info, err := os.Lstat(d.path(part)); err == nil && !info.IsDir() {
			return unsuitable("a " + quoted(part) + " that is no folder")
		}
	}
	for _, link := range []string{currentLink, previousLink} {
		if info, err := os.Lstat(d.path(link)); err == nil && info.Mode()&os.ModeSymlink == 0 {
			return unsuitable("a " + quoted(link) + " that is no symbolic link")
		}
	}
	return nil
}

func (d *deviceFolder) path(name string) string { return filepath.Join(d.root, name) }

// bundle returns where the bundle of an identity lies.
func (d *deviceFolder) bundle(digest string) string {
	return filepath.Join(d.root, bundlesPart, digest)
}

// work returns a path in the folder of work in progress.
func (d *deviceFolder) work(name string) string {
	return filepath.Join(d.root, stagingPart, "update", name)
}

func (d *deviceFolder) makeWork() error { return os.MkdirAll(d.work(""), 0o755) }

// clean removes work in progress; what cannot be removed is left to the next update.
func (d *deviceFolder) clean() { _ = os.RemoveAll(d.work("")) }

// said returns the identity that a link says; "" where it says none.
func (d *deviceFolder) said(link string) string {
	text, err := os.Readlink(d.path(link))
	if err != nil || !linkForm.MatchString(text) {
		return ""
	}
	return strings.TrimPrefix(text, bundlesPart+"/")
}

// previous returns the identity of the bundle to roll back to; "" where there is none.
func (d *deviceFolder) previous() string {
	digest := d.said(previousLink)
	if digest == d.said(currentLink) {
		return ""
	}
	return digest
}

// leadsTo returns the manifest of the bundle of an identity; nil where none is there.
func (d *deviceFolder) leadsTo(digest string) *Manifest {
	if digest == "" {
		return nil
	}
	bundle, err := unprovenBundle(d.bundle(digest), digest)
	if err != nil {
		return nil
	}
	return bundle.Manifest
}

// whole returns the bundle of an identity where it is there and passes all checks.
func (d *deviceFolder) whole(digest string) (*Bundle, error) {
	return openBundle(d.bundle(digest), Options{optionDigest: digest})
}

// let makes a link say an identity, by one rename.
func (d *deviceFolder) let(link, digest string) error {
	if err := d.makeWork(); err != nil {
		return err
	}
	if err := os.Symlink(bundlesPart+"/"+digest, d.work(link)); err != nil {
		return err
	}
	return os.Rename(d.work(link), d.path(link))
}

// sweep removes bundles that no link says; what goes wrong there is left to the next update.
func (d *deviceFolder) sweep() {
	current, previous := d.said(currentLink), d.said(previousLink)
	names, _ := namesIn(d.path(bundlesPart))
	for _, name := range names {
		if digestForm.MatchString(name) && name != current && name != previous && d.makeWork() == nil {
			_ = os.Rename(d.bundle(name), d.work(name))
		}
	}
}
