package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/edgebundle/go/predictor"
)

// doubler is a model of one input and one output of rows of two: y = 2x. It refuses negative values.
type doubler struct {
	mutex sync.Mutex
	// runs are the rows of each run.
	runs []int64
	// entered takes a word at each run, which then waits until gate is closed; both may be nil.
	entered chan struct{}
	gate    chan struct{}
	// short leaves a row out.
	short bool
}

var errNegative = errors.New("a negative value")

func (d *doubler) Predict(ctx context.Context, inputs map[string]predictor.Tensor) (map[string]predictor.Tensor, error) {
	x := inputs["x"]
	d.mutex.Lock()
	d.runs = append(d.runs, x.Shape()[0])
	d.mutex.Unlock()
	if d.gate != nil {
		d.entered <- struct{}{}
		select {
		case <-d.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	values, _ := predictor.Values[float32](x)
	doubled := make([]float32, 0, len(values))
	for _, value := range values {
		if value < 0 {
			return nil, errNegative
		}
		doubled = append(doubled, 2*value)
	}
	rows := x.Shape()[0]
	if d.short && rows > 1 {
		doubled, rows = doubled[2:], rows-1
	}
	return tensors{"y": predictor.NewTensor(doubled, rows, 2)}, nil
}

func rowsFrom(first float32, rows int64) tensors {
	values := make([]float32, 2*rows)
	for index := range values {
		values[index] = first + float32(index)
	}
	return tensors{"x": predictor.NewTensor(values, rows, 2)}
}

func queueOf(t *testing.T, d *doubler, settings config) *queue {
	t.Helper()
	q := newQueue(d, true, &settings, 1, newMetrics())
	t.Cleanup(q.close)
	return q
}

// ask predicts in a goroutine of its own.
func ask(q *queue, inputs tensors, patience time.Duration) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		outputs, err := q.predict(ctx, inputs, func() {})
		got <- answer{outputs, err}
	}()
	return got
}

func checkRows(t *testing.T, got answer, first float32, rows int64) {
	t.Helper()
	if got.err != nil {
		t.Error(got.err)
		return
	}
	y := got.outputs["y"]
	values, _ := predictor.Values[float32](y)
	for index, value := range values {
		if value != 2*(first+float32(index)) {
			t.Errorf("rows from %v: found %v", first, values)
			return
		}
	}
	if !slices.Equal(y.Shape(), []int64{rows, 2}) || int64(len(values)) != 2*rows {
		t.Errorf("rows from %v: found the shape %v", first, y.Shape())
	}
}

const patient = time.Minute

// busy returns a queue whose only worker is in a run, and what lets that go on.
func busy(t *testing.T, d *doubler, settings config) (q *queue, free func()) {
	t.Helper()
	d.entered, d.gate = make(chan struct{}, 100), make(chan struct{})
	q = queueOf(t, d, settings)
	first := ask(q, rowsFrom(0, 1), patient)
	<-d.entered
	return q, func() {
		close(d.gate)
		checkRows(t, <-first, 0, 1)
	}
}

// untilWaiting returns when so many requests wait.
func untilWaiting(q *queue, count int) {
	for len(q.jobs) < count {
		time.Sleep(time.Millisecond)
	}
}

func TestRequestsThatWaitAreJoinedUpToTheMostRows(t *testing.T) {
	d := &doubler{}
	q, free := busy(t, d, config{queue: 8, batchRows: 5})
	var answers []<-chan answer
	for index := range 4 {
		answers = append(answers, ask(q, rowsFrom(float32(10*index), 2), patient))
		untilWaiting(q, index+1)
	}
	free()
	for index, got := range answers {
		checkRows(t, <-got, float32(10*index), 2)
	}
	if !slices.Equal(d.runs, []int64{1, 4, 4}) {
		t.Errorf("rows of the runs: %v", d.runs)
	}
}

func TestTheFirstRequestWaitsForMore(t *testing.T) {
	d := &doubler{}
	q := queueOf(t, d, config{queue: 8, batchRows: 3, batchWindow: time.Minute})
	first := ask(q, rowsFrom(0, 1), patient)
	second := ask(q, rowsFrom(10, 2), patient)
	checkRows(t, <-first, 0, 1)
	checkRows(t, <-second, 10, 2)
	if !slices.Equal(d.runs, []int64{3}) {
		t.Errorf("rows of the runs: %v", d.runs)
	}
}

func TestARefusedRequestHarmsNoneThatItWasJoinedWith(t *testing.T) {
	d := &doubler{}
	q, free := busy(t, d, config{queue: 8, batchRows: 8})
	good, bad := ask(q, rowsFrom(5, 1), patient), ask(q, rowsFrom(-5, 1), patient)
	untilWaiting(q, 2)
	free()
	checkRows(t, <-good, 5, 1)
	if got := <-bad; !errors.Is(got.err, errNegative) {
		t.Errorf("found %v", got.err)
	}
}

func TestOutputsWithoutARowForEachInputAreNotCut(t *testing.T) {
	d := &doubler{short: true}
	q, free := busy(t, d, config{queue: 8, batchRows: 8})
	one, other := ask(q, rowsFrom(1, 1), patient), ask(q, rowsFrom(2, 1), patient)
	untilWaiting(q, 2)
	free()
	checkRows(t, <-one, 1, 1)
	checkRows(t, <-other, 2, 1)
}

func TestRequestsOfAnotherFormAreNotJoined(t *testing.T) {
	d := &doubler{}
	q, free := busy(t, d, config{queue: 8, batchRows: 8})
	other := predictor.NewTensor([]float32{1, 2, 3, 4}, 1, 4)
	first := ask(q, rowsFrom(1, 1), patient)
	untilWaiting(q, 1)
	second := ask(q, tensors{"x": other}, patient)
	untilWaiting(q, 2)
	free()
	checkRows(t, <-first, 1, 1)
	<-second
	if !slices.Equal(d.runs, []int64{1, 1, 1}) {
		t.Errorf("rows of the runs: %v", d.runs)
	}
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	q, free := busy(t, &doubler{}, config{queue: 1, batchRows: 1})
	waiting := ask(q, rowsFrom(1, 1), patient)
	untilWaiting(q, 1)
	if got := <-ask(q, rowsFrom(2, 1), patient); got.err != errFull {
		t.Errorf("found %v", got.err)
	}
	free()
	checkRows(t, <-waiting, 1, 1)
}

func TestACallerThatLeavesIsNotPredictedFor(t *testing.T) {
	d := &doubler{}
	q, free := busy(t, d, config{queue: 8, batchRows: 1})
	if got := <-ask(q, rowsFrom(1, 1), time.Millisecond); !errors.Is(got.err, context.DeadlineExceeded) {
		t.Errorf("found %v", got.err)
	}
	last := ask(q, rowsFrom(2, 1), patient)
	untilWaiting(q, 2)
	free()
	checkRows(t, <-last, 2, 1)
	if len(d.runs) != 2 {
		t.Errorf("rows of the runs: %v", d.runs)
	}
}

func TestCallersThatLeaveTakeNoPlaceInARun(t *testing.T) {
	d := &doubler{}
	q, free := busy(t, d, config{queue: 8, batchRows: 2})
	for range 2 {
		<-ask(q, rowsFrom(1, 1), time.Millisecond)
	}
	first, second := ask(q, rowsFrom(2, 1), patient), ask(q, rowsFrom(3, 1), patient)
	untilWaiting(q, 4)
	free()
	checkRows(t, <-first, 2, 1)
	checkRows(t, <-second, 3, 1)
	if !slices.Equal(d.runs, []int64{1, 2}) {
		t.Errorf("rows of the runs: %v", d.runs)
	}
}

func TestInputsAreHeldUntilTheirTurnWhateverTheCallerDoes(t *testing.T) {
	q, free := busy(t, &doubler{}, config{queue: 1, batchRows: 1})
	done := make(chan struct{}, 2)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := q.predict(ctx, rowsFrom(1, 1), func() { done <- struct{}{} })
	if !errors.Is(err, context.DeadlineExceeded) || len(done) != 0 {
		t.Errorf("found %v, given back %d times", err, len(done))
	}
	if _, err := q.predict(ctx, rowsFrom(2, 1), func() { done <- struct{}{} }); err != errFull || len(done) != 1 {
		t.Errorf("found %v, given back %d times", err, len(done))
	}
	free()
	<-done
	<-done
}

func TestManyCallersGetTheirOwnRows(t *testing.T) {
	const callers, calls = 16, 50
	d := &doubler{}
	settings := &config{queue: callers, batchRows: 7, batchWindow: 100 * time.Microsecond}
	q := newQueue(d, true, settings, 3, newMetrics())
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for call := range calls {
				first, rows := float32(1000*caller+call), int64(1+(caller+call)%3)
				checkRows(t, <-ask(q, rowsFrom(first, rows), patient), first, rows)
			}
		})
	}
	group.Wait()
	q.close()
	if len(d.runs) >= callers*calls {
		t.Errorf("%d runs: none was joined", len(d.runs))
	}
}

func TestTextsAreJoinedAndCut(t *testing.T) {
	word := func(texts ...string) *job {
		return &job{inputs: tensors{"x": predictor.NewStrings(texts, int64(len(texts)), 1)}, rows: int64(len(texts))}
	}
	jobs := []*job{word("a"), word("b", "c")}
	parts, err := split(join(jobs), jobs)
	if err != nil || !slices.Equal(parts[0]["x"].Strings(), []string{"a"}) || !slices.Equal(parts[1]["x"].Strings(), []string{"b", "c"}) {
		t.Errorf("found %v, %v", parts, err)
	}
}
