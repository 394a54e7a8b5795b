package predictor

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// released returns the file of an archive: the vector's bundle as another version, or with other metadata.
func released(t testing.TB, version, label string) string {
	t.Helper()
	folder := t.TempDir()
	must(t, os.CopyFS(folder, os.DirFS(vectorBundle())))
	path := filepath.Join(folder, manifestName)
	data, err := os.ReadFile(path)
	must(t, err)
	var tree object
	must(t, json.Unmarshal(data, &tree))
	digObject(tree, "model")["version"] = version
	tree["metadata"] = object{"label": label}
	data, err = json.Marshal(tree)
	must(t, err)
	must(t, os.WriteFile(path, data, 0o644))
	archive := filepath.Join(folder, "a.bundle")
	must(t, os.WriteFile(archive, archiveOf(t, folder, "attest/report.json"), 0o644))
	return archive
}

func brought(t testing.TB, folder, archive string, options Options) *Updated {
	t.Helper()
	updated, err := Update(background, folder, archive, options)
	must(t, err)
	return updated
}

// runs fails unless `current` leads to a whole bundle of this version.
func runs(t testing.TB, folder, version string) {
	t.Helper()
	if found := mustOpen(t, filepath.Join(folder, currentLink)).Manifest.Version; found != version {
		t.Errorf("%s runs, not %s", found, version)
	}
}

func entriesOf(t testing.TB, folder string) int {
	t.Helper()
	names, err := namesIn(folder)
	must(t, err)
	return len(names)
}

func TestADeviceIsUpdatedAndRolledBack(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep", "device")
	_, err := Rollback(folder)
	refused(t, err, "store_unwritable", folder)
	first := brought(t, folder, released(t, "1.0.0", ""), nil)
	if first.Previous != "" || !first.Changed {
		t.Errorf("%+v", first)
	}
	_, err = Rollback(folder)
	refused(t, err, "rollback_impossible", previousLink)
	archive := released(t, "1.1.0", "")
	second := brought(t, folder, archive, Options{"digest": mustArchive(t, archive), "max_bytes": 1 << 20, "format": "onnx"})
	again := brought(t, folder, archive, nil)
	if second.Previous != "1.0.0" || !second.Changed || again.Changed || again.Previous != "1.0.0" || again.Digest != second.Digest {
		t.Errorf("%+v, then %+v", second, again)
	}
	third := brought(t, folder, released(t, "1.2.0", ""), nil)
	if entriesOf(t, filepath.Join(folder, bundlesPart)) != 2 || third.Previous != "1.1.0" {
		t.Error("what no link leads to is still there")
	}
	for _, version := range []string{"1.1.0", "1.2.0", "1.1.0"} {
		back, err := Rollback(folder)
		must(t, err)
		runs(t, folder, version)
		if back.Version != version || !back.Changed {
			t.Errorf("%+v", back)
		}
	}
	if entriesOf(t, filepath.Join(folder, stagingPart)) != 0 {
		t.Error("something is left behind")
	}
}

func mustArchive(t testing.TB, path string) string {
	t.Helper()
	a, err := openArchive(path, "", -1)
	must(t, err)
	a.close()
	return a.manifest.Digest
}

func TestWhatMayNotFollowIsRefused(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "device")
	brought(t, folder, released(t, "1.10.0", ""), nil)
	_, err := Update(background, folder, released(t, "1.9.0", ""), Options{"replace": true})
	refused(t, err, "version_older", "vector@1.9.0")
	other := released(t, "1.10.0", "again")
	_, err = Update(background, folder, other, nil)
	refused(t, err, "version_conflict", "vector@1.10.0")
	ended, cancel := context.WithCancel(background)
	cancel()
	_, err = Update(ended, folder, other, Options{"replace": true})
	refused(t, err, "predict_cancelled", ".")
	if updated := brought(t, folder, other, Options{"replace": true}); updated.Previous != "1.10.0" {
		t.Errorf("%+v", updated)
	}
	for name, value := range map[string]any{"mode": "full", "max_bytes": 0, "replace": "x", "digest": "x", "colour": 1} {
		_, err = Update(background, folder, released(t, "2.0.0", ""), Options{name: value})
		refused(t, err, "option_invalid", name)
	}
	runs(t, folder, "1.10.0")
}

func TestADamagedBundleIsMended(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "device")
	archive := released(t, "1.0.0", "")
	digest := brought(t, folder, archive, nil).Digest
	inside := filepath.Join(folder, bundlesPart, digest)
	for _, damage := range []func() error{
		func() error { return os.WriteFile(filepath.Join(inside, modelPath), nil, 0o644) },
		func() error { return os.WriteFile(filepath.Join(inside, manifestName), nil, 0o644) },
		func() error { return os.RemoveAll(inside) },
		func() error { return os.Remove(filepath.Join(folder, currentLink)) },
	} {
		must(t, damage())
		if updated := brought(t, folder, archive, nil); !updated.Changed || updated.Digest != digest {
			t.Errorf("%+v", updated)
		}
		runs(t, folder, "1.0.0")
	}
}

// The exchange of two names is missing on some file systems; what stands in for it must bring the same.
func TestWhereNamesCannotBeExchangedTheyAreRenamed(t *testing.T) {
	number := exchangeCalls
	exchangeCalls = nil
	t.Cleanup(func() { exchangeCalls = number })
	TestADeviceIsUpdatedAndRolledBack(t)
	TestADamagedBundleIsMended(t)
}

func TestWhatCannotBeReplacedKeepsItsName(t *testing.T) {
	number := exchangeCalls
	exchangeCalls = nil
	t.Cleanup(func() { exchangeCalls = number })
	work, name := t.TempDir(), filepath.Join(t.TempDir(), "old")
	must(t, os.Mkdir(name, 0o755))
	if putInPlace(filepath.Join(work, "none"), name) == nil {
		t.Error("a folder that is not there has a name now")
	}
	if _, err := os.Stat(name); err != nil || entriesOf(t, work) != 0 {
		t.Errorf("the old folder is not where it was: %v", err)
	}
}

func TestADeviceIsWhereTheKernelFindsIt(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(top, "real", "in"), 0o755))
	must(t, os.Mkdir(filepath.Join(top, "here"), 0o755))
	must(t, os.Symlink("../real/in", filepath.Join(top, "here", "link")))
	must(t, os.Symlink("nowhere", filepath.Join(top, "lost")))
	t.Chdir(top)
	for _, name := range []string{"here/link/../dev", top + "/here/link/../dev", "here/link/../dev/.", "here/link/deep/../../dev/"} {
		for _, wanted := range []bool{true, false} {
			d, err := holdDevice(name, wanted)
			must(t, err)
			d.release()
			if d.root != filepath.Join(top, "real", "dev") {
				t.Errorf("%s leads to %s", name, d.root)
			}
		}
	}
	for _, name := range []string{"", "lost", "lost/", "lost/dev"} {
		for _, wanted := range []bool{true, false} {
			_, err := holdDevice(name, wanted)
			refused(t, err, "store_unwritable", name)
		}
	}
	if names, err := namesIn(top); err != nil || len(names) != 3 {
		t.Errorf("%q, %v", names, err)
	}
}

func TestUpdatesAtOnceWaitForEachOther(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "device")
	archives := []string{released(t, "1.0.0", "a"), released(t, "1.0.0", "b"), released(t, "1.0.0", "c")}
	var group sync.WaitGroup
	for _, archive := range archives {
		group.Go(func() {
			if _, err := Update(background, folder, archive, Options{"replace": true}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	runs(t, folder, "1.0.0")
	if entriesOf(t, filepath.Join(folder, bundlesPart)) != 2 {
		t.Error("not two bundles are there")
	}
}
