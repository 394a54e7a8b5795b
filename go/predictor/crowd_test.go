package predictor

import (
	"bytes"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	people = 16
	turns  = 250
	seats  = 3
)

// question is some rows, and the right answers to them.
type question struct {
	inputs, answers map[string]Tensor
}

// room holds predictors that many goroutines share, and open and close at random under each other's hands.
type room struct {
	t         *testing.T
	folder    string
	questions []question
	closed    atomic.Int64

	mutex      sync.Mutex
	predictors [seats]*Predictor
	// gates are those of all that were ever opened; they keep no predictor alive.
	gates []*gate
}

func newRoom(t *testing.T) *room {
	const inner, columns, shapes = 33, 7, 4
	r := &room{t: t, folder: sums().bundle(t)}
	for seat := range seats {
		must(t, r.forget(seat, question{}))
	}
	b := NewBytes(Float32, place(asBytes(waves(inner, columns, 0.5)), 0), inner, columns)
	for rows := range shapes {
		a := NewBytes(Float32, place(asBytes(waves(rows+1, inner, float64(rows))), 0), int64(rows+1), inner)
		inputs := map[string]Tensor{"a": a, "b": b}
		answers, err := r.predictors[0].Predict(background, inputs)
		must(t, err)
		r.questions = append(r.questions, question{inputs, answers})
	}
	return r
}

func (r *room) at(seat int) *Predictor {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.predictors[seat]
}

// swap seats a new predictor and returns the one that was there. The second thread of its own makes a model that
// stays behind seen among the threads.
func (r *room) swap(seat int) (*Predictor, error) {
	fresh, err := Open(r.folder, Options{"intra_op_threads": 2})
	if err != nil {
		return nil, err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.gates = append(r.gates, fresh.gate)
	r.predictors[seat], fresh = fresh, r.predictors[seat]
	return fresh, nil
}

func (r *room) replace(seat int, _ question) error {
	if err := r.at(seat).Close(); err != nil {
		return err
	}
	// Another one may sit there by now, of somebody who replaced the same.
	other, err := r.swap(seat)
	if err != nil {
		return err
	}
	return other.Close()
}

// forget leaves the closing of the one that was there to the collector.
func (r *room) forget(seat int, _ question) error {
	_, err := r.swap(seat)
	return err
}

func (r *room) ask(seat int, asked question) error {
	answers, err := r.at(seat).Predict(background, asked.inputs)
	if err == nil {
		r.compare(asked, answers)
	}
	return err
}

func (r *room) askInto(seat int, asked question) error {
	buffers := buffersFor(asked)
	err := r.at(seat).PredictInto(background, asked.inputs, buffers)
	if err == nil {
		r.compare(asked, buffers)
	}
	return err
}

func (r *room) askBound(seat int, asked question) error {
	buffers := buffersFor(asked)
	call, err := r.at(seat).Bind(asked.inputs, buffers)
	if err != nil {
		return err
	}
	for range 2 {
		if err := call.Run(background); err != nil {
			return err
		}
	}
	r.compare(asked, buffers)
	return call.Close()
}

func buffersFor(asked question) map[string]Tensor {
	buffers := map[string]Tensor{}
	for name, tensor := range asked.answers {
		buffers[name] = NewBytes(tensor.dtype, alignedBytes(len(tensor.data)), tensor.shape...)
	}
	return buffers
}

func (r *room) compare(asked question, answers map[string]Tensor) {
	for name, tensor := range asked.answers {
		if !bytes.Equal(answers[name].Bytes(), tensor.Bytes()) {
			r.t.Errorf("`%s` differs", name)
		}
	}
}

// live does things at random.
func (r *room) live(seed uint64) {
	deeds := slices.Concat(
		slices.Repeat([]func(int, question) error{r.ask}, 12), slices.Repeat([]func(int, question) error{r.askInto}, 3),
		[]func(int, question) error{r.askBound, r.askBound, r.replace, r.replace, r.forget},
	)
	chance := rand.New(rand.NewPCG(seed, 0))
	for range turns {
		deed, seat, asked := deeds[chance.IntN(len(deeds))], chance.IntN(seats), r.questions[chance.IntN(len(r.questions))]
		if err := deed(seat, asked); err != nil {
			// Who comes late may be told so, and nothing else.
			refused(r.t, err, "predictor_closed", ".")
			r.closed.Add(1)
		}
	}
}

// stillOpen counts the predictors that are not closed, or are still asked.
func (r *room) stillOpen() int {
	count := 0
	for _, one := range r.gates {
		one.mutex.Lock()
		if !one.closed || one.calls > 0 {
			count++
		}
		one.mutex.Unlock()
	}
	return count
}

// held counts the open files of this process, and the threads that are not Go's own.
func held(t *testing.T) (files, threads int) {
	opened, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	running, err := os.ReadDir("/proc/self/task")
	must(t, err)
	return len(opened), len(running) - pprof.Lookup("threadcreate").Count()
}

func TestSixteenGoroutinesOpenAndCloseUnderEachOthersHands(t *testing.T) {
	must(t, sums().open(t, nil).Close())
	filesBefore, threadsBefore := held(t)
	r := newRoom(t)
	var group sync.WaitGroup
	for seed := range people {
		group.Go(func() { r.live(uint64(seed)) })
	}
	group.Wait()
	if r.closed.Load() == 0 {
		t.Error("nobody met a predictor that was closed")
	}
	for seat := range seats {
		must(t, r.predictors[seat].Close())
		r.predictors[seat] = nil
	}
	files, threads := held(t)
	for looks := 0; looks < 100 && (r.stillOpen() > 0 || files > filesBefore || threads > threadsBefore); looks++ {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
		files, threads = held(t)
	}
	if r.stillOpen() > 0 || files > filesBefore || threads > threadsBefore {
		t.Errorf("%d predictors stay open; %d files and %d threads, there were %d and %d", r.stillOpen(), files, threads, filesBefore, threadsBefore)
	}
	t.Logf("%d opened, %d calls met a closed one", len(r.gates), r.closed.Load())
}
