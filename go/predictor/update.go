package predictor

import (
	"context"
	"fmt"
	"maps"
	"os"
)

const (
	optionMaxBytes = "max_bytes"
	optionReplace  = "replace"
)

// Updated is what a device folder holds after an update or a rollback.
type Updated struct {
	// Digest is the identity of the bundle that runs now.
	Digest string
	// Name and Version are its model's.
	Name, Version string
	// Previous is the version that a rollback would bring back; "" where there is none.
	Previous string
	// Changed is false where the archive's bundle ran already, and was whole.
	Changed bool
}

// Update lets a device run the bundle of an archive, once it has proven itself on this machine. A program opens
// the folder's link "current", which leads to the old bundle or to the new one, whatever happens. The folder is
// made where it is not there; a second update of it waits for the first.
//
// Options may be nil; they are "digest" (the identity to expect), "max_bytes" (of the archive), "replace" (take
// another bundle of the version that runs) and those of Open but "mode", for the self-test. When ctx is done,
// the self-test ends early with predict_cancelled.
//
// The error is an *Error by the checks U1 to U9 of STORE.md; the device runs what it ran before then.
func Update(ctx context.Context, folder, archive string, options Options) (*Updated, error) {
	wanted, err := updateOptions(options)
	if err != nil {
		return nil, err
	}
	source, err := openArchive(archive, wanted.digest, wanted.maxBytes)
	if err != nil {
		return nil, err
	}
	defer source.close()
	d, err := holdDevice(folder, true)
	if err != nil {
		return nil, err
	}
	defer d.release()
	defer d.clean()
	changed, err := d.bring(ctx, source, wanted)
	if err != nil {
		return nil, d.unwritable(err)
	}
	d.sweep()
	return d.result(source.manifest, changed), nil
}

// Rollback lets a device run again what it ran before; a second one takes the first back. The error is an
// *Error by the checks V1 to V4 of STORE.md; the device runs what it ran before then.
func Rollback(folder string) (*Updated, error) {
	d, err := holdDevice(folder, false)
	if err != nil {
		return nil, err
	}
	defer d.release()
	defer d.clean()
	before := d.previous()
	if before == "" {
		return nil, rollbackImpossible("no other bundle than the one that runs")
	}
	bundle, err := d.whole(before)
	if err != nil {
		return nil, rollbackImpossible("a damaged one: " + sentence(err))
	}
	if err := d.swapLinks(before); err != nil {
		return nil, d.unwritable(err)
	}
	return d.result(bundle.Manifest, true), nil
}

func rollbackImpossible(found string) error {
	return refuse("rollback_impossible", previousLink, "a whole bundle that ran before", found)
}

// updateChoices are options that passed check U1.
type updateChoices struct {
	digest string
	// maxBytes is negative where the caller gave none.
	maxBytes int64
	replace  bool
	// others are for the predictor that tests the new bundle.
	others Options
}

// updateOptions is check U1.
func updateOptions(options Options) (*updateChoices, error) {
	c := &updateChoices{maxBytes: -1, others: maps.Clone(options)}
	for _, name := range sortedNames(options) {
		var err error
		switch value := options[name]; name {
		case optionDigest:
			c.digest, _, err = openingOptions(Options{name: value})
		case optionMaxBytes:
			c.maxBytes, err = maxBytesOption(value)
		case optionMode:
			err = invalidOption(name, "no such option: an update makes all checks", fmt.Sprint(value))
		case optionReplace:
			c.replace, err = flagOption(name, value)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		delete(c.others, name)
	}
	return c, nil
}

func maxBytesOption(value any) (int64, error) {
	count, is := integerOf(value)
	if !is || count < 1 || count > maxInteger {
		return 0, invalidOption(optionMaxBytes, fmt.Sprintf("an integer from 1 to %d", int64(maxInteger)), fmt.Sprint(value))
	}
	return count, nil
}

// bring makes the checks U5 to U9; it returns whether anything changed.
func (d *deviceFolder) bring(ctx context.Context, source *archive, wanted *updateChoices) (bool, error) {
	manifest := source.manifest
	running := d.said(currentLink)
	if err := checkSuccessor(d.leadsTo(running), manifest, wanted.replace); err != nil {
		return false, err
	}
	bundle, err := d.whole(manifest.Digest)
	if err == nil && running == manifest.Digest {
		return false, nil
	}
	staged := ""
	if err != nil {
		staged = d.work("bundle")
		if bundle, err = d.stage(source, staged); err != nil {
			return false, err
		}
	}
	if err := bundle.proveRunning(ctx, wanted.others); err != nil {
		return false, err
	}
	return true, d.switchTo(manifest.Digest, staged)
}

// checkSuccessor is check U5; nothing runs where running is nil.
func checkSuccessor(running, next *Manifest, replace bool) error {
	if running == nil {
		return nil
	}
	if next.Name != running.Name {
		return refuse("name_mismatch", next.Name, quoted(running.Name)+", which the device runs", "another model")
	}
	subject := next.Name + "@" + next.Version
	order := compareVersions(next.Version, running.Version)
	if order < 0 {
		return refuse("version_older", subject, running.Version+" or newer", next.Version)
	}
	if order == 0 && next.Digest != running.Digest && !replace {
		return refuse("version_conflict", subject, running.Digest, next.Digest)
	}
	return nil
}

// stage writes the archive's bundle to a folder and judges it there (U6 and U7).
func (d *deviceFolder) stage(source *archive, folder string) (*Bundle, error) {
	if err := d.makeWork(); err != nil {
		return nil, err
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	if err := source.extract(folder); err != nil {
		return nil, err
	}
	if err := settle(folder); err != nil {
		return nil, err
	}
	return openBundle(folder, Options{optionDigest: source.manifest.Digest})
}

// proveRunning is check U8.
func (b *Bundle) proveRunning(ctx context.Context, options Options) error {
	p, err := b.Open(options)
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	report, err := p.SelfTest(ctx)
	if err != nil {
		return err
	}
	return report.failure()
}

// switchTo is check U9; staged is "" where the bundle is in its place.
func (d *deviceFolder) switchTo(digest, staged string) error {
	if staged != "" {
		if err := d.makeBundles(); err != nil {
			return err
		}
		if err := putInPlace(staged, d.bundle(digest)); err != nil {
			return err
		}
	}
	for _, folder := range []string{d.path(bundlesPart), d.root} {
		if err := syncFolder(folder); err != nil {
			return err
		}
	}
	if running := d.said(currentLink); running != digest {
		if running != "" {
			if _, err := d.whole(running); err == nil {
				if err := d.let(previousLink, running); err != nil {
					return err
				}
			}
		}
		if err := d.let(currentLink, digest); err != nil {
			return err
		}
	}
	return syncFolder(d.root)
}

// makeBundles makes the folder of the bundles, open to every user.
func (d *deviceFolder) makeBundles() error {
	path := d.path(bundlesPart)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// swapLinks is check V4; before is what `previous` says.
func (d *deviceFolder) swapLinks(before string) error {
	now := d.said(currentLink)
	var err error
	switch {
	case now == "":
		err = os.Rename(d.path(previousLink), d.path(currentLink))
	case exchange(d.path(currentLink), d.path(previousLink)) != nil:
		// A kill between the two leaves the wanted bundle current, and no way back to the other.
		if err = d.let(currentLink, before); err == nil {
			err = d.let(previousLink, now)
		}
	}
	if err != nil {
		return err
	}
	return syncFolder(d.root)
}

// result says what the folder holds; the manifest is that of the bundle that runs.
func (d *deviceFolder) result(running *Manifest, changed bool) *Updated {
	updated := &Updated{Digest: running.Digest, Name: running.Name, Version: running.Version, Changed: changed}
	if before := d.leadsTo(d.previous()); before != nil {
		updated.Previous = before.Version
	}
	return updated
}
