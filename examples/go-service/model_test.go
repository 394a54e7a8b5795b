package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/edgebundle/go/predictor"
)

// The vector's model is y = 2x + 1 on rows of three.
const vectors = "../../spec/cases/valid"

// bundleOf copies a vector's bundle, with a word of its manifest replaced, and returns its folder.
func bundleOf(t *testing.T, vector, word, other string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "bundle")
	must(t, os.CopyFS(folder, os.DirFS(filepath.Join(vectors, vector, "bundle"))))
	manifest := filepath.Join(folder, "bundle.json")
	data, err := os.ReadFile(manifest)
	must(t, err)
	if strings.Count(string(data), word) != 1 {
		t.Fatalf("%s stands %d times in the manifest", word, strings.Count(string(data), word))
	}
	must(t, os.WriteFile(manifest, []byte(strings.Replace(string(data), word, other, 1)), 0o644))
	return folder
}

const version = `"version":"1.0.0"},"outputs"`

func versioned(t *testing.T, number string) string {
	return bundleOf(t, "self_test_passes", version, `"version":"`+number+`"},"outputs"`)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// point lets the link lead elsewhere, in one step.
func point(t *testing.T, link, folder string) {
	t.Helper()
	must(t, os.Symlink(folder, link+".new"))
	must(t, os.Rename(link+".new", link))
}

func silent() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func served(t *testing.T, link string) (*shelf, *config, *metrics) {
	t.Helper()
	settings := &config{bundle: link, queue: 100, batchRows: 8}
	measured := newMetrics()
	first, err := openModel(context.Background(), settings, measured)
	must(t, err)
	return newShelf(first, measured), settings, measured
}

func TestReloadingUnderLoadDropsNoRequest(t *testing.T) {
	link := filepath.Join(t.TempDir(), "current")
	folders := []string{versioned(t, "1.0.0"), versioned(t, "2.0.0")}
	point(t, link, folders[0])
	models, settings, measured := served(t, link)
	first := models.current
	var over atomic.Bool
	var group sync.WaitGroup
	var versions sync.Map
	for caller := range 8 {
		group.Go(func() {
			for !over.Load() {
				versions.Store(predictOn(t, models, float32(caller)), true)
			}
		})
	}
	const reloads = 20
	for round := range reloads {
		point(t, link, folders[(round+1)%2])
		reload(context.Background(), models, settings, measured, silent())
	}
	over.Store(true)
	group.Wait()
	for _, number := range []string{"1.0.0", "2.0.0"} {
		if _, there := versions.Load(number); !there {
			t.Errorf("no answer of version %s", number)
		}
	}
	var refusal *predictor.Error
	if _, err := first.Predict(context.Background(), nil); !errors.As(err, &refusal) || refusal.Code != "predictor_closed" {
		t.Errorf("the first model was not closed: %v", err)
	}
	models.close()
}

// predictOn asks the current model and returns its version.
func predictOn(t *testing.T, models *shelf, value float32) string {
	held, release := models.hold()
	defer release()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	outputs, err := held.queue.predict(ctx, tensors{"x": predictor.NewTensor([]float32{value, value, value}, 1, 3)}, func() {})
	if err != nil {
		t.Error(err)
		return ""
	}
	if values, _ := predictor.Values[float32](outputs["y"]); values[0] != 2*value+1 || values[2] != 2*value+1 {
		t.Errorf("%v gave %v", value, values)
	}
	return held.version()
}

func TestABundleThatDoesNotProveItselfIsNotServed(t *testing.T) {
	link := filepath.Join(t.TempDir(), "current")
	point(t, link, versioned(t, "1.0.0"))
	models, settings, measured := served(t, link)
	defer models.close()
	for what, folder := range map[string]string{
		"another name":          bundleOf(t, "self_test_passes", `"name":"vector"`, `"name":"other"`),
		"a file that is broken": bundleOf(t, "self_test_passes", `0ad6e5a765279987d6d76165fba87da5def0c241a0bee0eb7f5979f357bbc75a","size"`, strings.Repeat("0", 64)+`","size"`),
		"a failing self-test":   bundleOf(t, "self_test_of_another_shape", version, `"version":"2.0.0"},"outputs"`),
		"no golden case":        bundleOf(t, "no_golden_case", version, `"version":"2.0.0"},"outputs"`),
		"nothing":               filepath.Join(t.TempDir(), "none"),
	} {
		point(t, link, folder)
		before := models.current
		reload(context.Background(), models, settings, measured, silent())
		if models.current != before {
			t.Errorf("%s: was taken", what)
		}
		predictOn(t, models, 1)
	}
}

func TestOnlyModelsWithIndependentRowsAreJoined(t *testing.T) {
	for vector, expected := range map[string]bool{
		"self_test_passes": true, "depends_on_batch_mates": false, "batch_of_fixed_size": false, "batch_along_other_axes": false,
		"tasks_and_states": true, "state_is_fed_back": false, "square": false,
	} {
		opened, err := predictor.Open(filepath.Join(vectors, vector, "bundle"), nil)
		must(t, err)
		if joinable(opened) != expected {
			t.Errorf("%s: expected %v", vector, expected)
		}
		must(t, opened.Close())
	}
}
