package main

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"example.com/edgebundle/go/predictor"
)

// model is an open bundle and the queue before it.
type model struct {
	*predictor.Predictor
	queue *queue
	// users are the requests that hold the model.
	users sync.WaitGroup
}

// openModel opens the bundle and replays its golden cases: what does not answer as when it was built, on this
// machine, is not served. The error is an *predictor.Error or says which case failed.
func openModel(ctx context.Context, settings *config, measured *metrics) (*model, error) {
	options := predictor.Options{}
	if settings.variant != "" {
		options["variant"] = settings.variant
	}
	opened, err := predictor.Open(settings.bundle, options)
	if err != nil {
		return nil, err
	}
	if err := prove(ctx, opened); err != nil {
		_ = opened.Close()
		return nil, err
	}
	workers := settings.workers
	if workers == 0 {
		workers = workersFor(opened)
	}
	return &model{Predictor: opened, queue: newQueue(opened, joinable(opened), settings, workers, measured)}, nil
}

func prove(ctx context.Context, opened *predictor.Predictor) error {
	report, err := opened.SelfTest(ctx)
	if err != nil {
		return err
	}
	for _, one := range report.Cases {
		if !one.Passed {
			return fmt.Errorf("the self-test of %s failed at the case `%s`", opened.Bundle().Path, one.Name)
		}
	}
	return nil
}

// workersFor returns how many runs keep the CPUs busy. Both numbers respect the CPU quota of a container: Go's own
// by itself, the threads of a run because the predictor lowers them.
func workersFor(opened *predictor.Predictor) int {
	threads, _ := opened.Session()["intra_op_threads"].(int64)
	return max(runtime.GOMAXPROCS(0)/max(int(threads), 1), 1)
}

func (m *model) name() string { return m.Bundle().Manifest.Name }

func (m *model) version() string { return m.Bundle().Manifest.Version }

// attributes say in a log which model this is.
func (m *model) attributes() []any {
	format, _ := m.Format()
	return []any{
		"model", m.name(), "version", m.version(), "digest", m.Bundle().Manifest.Digest, "path", m.Bundle().Path,
		"variant", m.Variant(), "format", format, "threads", m.Session()["intra_op_threads"], "joins_rows", m.queue.joinable,
	}
}

// retire waits for the requests that hold the model, and lets it go. Nobody may begin to hold it any more.
func (m *model) retire() {
	m.users.Wait()
	m.queue.close()
	_ = m.Close()
}

// shelf holds the model that is served.
type shelf struct {
	mutex    sync.RWMutex
	current  *model
	measured *metrics
}

func newShelf(first *model, measured *metrics) *shelf {
	s := &shelf{current: first, measured: measured}
	measured.serves(first)
	measured.watch(func() float64 {
		held, release := s.hold()
		defer release()
		return float64(len(held.queue.jobs))
	})
	return s
}

// hold returns the current model, which stays open until release is called.
func (s *shelf) hold() (held *model, release func()) {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	s.current.users.Add(1)
	return s.current, s.current.users.Done
}

// replace makes next the current model and returns the one before. Requests that hold that one keep it.
func (s *shelf) replace(next *model) *model {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	before := s.current
	s.current = next
	s.measured.serves(next)
	return before
}

// close retires the model. The shelf must not be used any more.
func (s *shelf) close() { s.current.retire() }

// reload opens the bundle at the same path anew and replaces the model where the new one proves itself; else the
// old one stays. The old one goes when the last request that holds it is answered.
func reload(ctx context.Context, models *shelf, settings *config, measured *metrics, log *slog.Logger) {
	next, err := openModel(ctx, settings, measured)
	if err == nil && next.name() != models.current.name() {
		err = fmt.Errorf("a model of the name `%s`: its callers ask for `%s`", next.name(), models.current.name())
		next.retire()
	}
	measured.reloaded(err == nil)
	if err != nil {
		log.Error("not reloaded", "error", err)
		return
	}
	models.replace(next).retire()
	log.Info("reloaded", next.attributes()...)
}
