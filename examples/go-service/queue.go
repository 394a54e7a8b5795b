package main

import (
	"context"
	"sync"
	"time"

	"example.com/edgebundle/go/predictor"
)

type tensors = map[string]predictor.Tensor

// runner is what a queue needs of a predictor.
type runner interface {
	Predict(ctx context.Context, inputs map[string]predictor.Tensor) (map[string]predictor.Tensor, error)
}

// queue lets a bounded number of requests wait for a fixed number of workers, and joins what waits to one run
// where that cannot change an answer.
type queue struct {
	runner   runner
	measured *metrics
	// joinable tells whether the rows of several requests may go through one run.
	joinable bool
	rows     int64
	window   time.Duration

	jobs    chan *job
	workers sync.WaitGroup

	// gathering is held by the one worker that collects its next run; held is a job that did not fit the last.
	gathering sync.Mutex
	held      *job
}

// job is one request. Its answer has room for one, so that no worker waits for a caller that has left.
type job struct {
	ctx    context.Context
	inputs tensors
	form   string
	rows   int64
	answer chan answer
	// done is called once nobody here holds the inputs any more.
	done func()
}

type answer struct {
	outputs tensors
	err     error
}

// newQueue starts the workers; close ends them.
func newQueue(model runner, joinable bool, settings *config, workers int, measured *metrics) *queue {
	q := &queue{
		runner: model, measured: measured, joinable: joinable && settings.batchRows > 1, rows: int64(settings.batchRows),
		window: settings.batchWindow, jobs: make(chan *job, settings.queue),
	}
	for range workers {
		q.workers.Go(func() {
			for jobs := q.take(); jobs != nil; jobs = q.take() {
				q.run(jobs)
			}
		})
	}
	return q
}

// close lets the workers finish what waits. Nothing may be added from now on.
func (q *queue) close() {
	close(q.jobs)
	q.workers.Wait()
}

// predict waits for its turn and for the answer. The error is errFull, that of ctx or that of the predictor. It calls
// done once it holds the inputs no more: after a time-out that is later than its end.
func (q *queue) predict(ctx context.Context, inputs tensors, done func()) (tensors, error) {
	one := &job{ctx: ctx, inputs: inputs, answer: make(chan answer, 1), done: done}
	if q.joinable {
		one.form, one.rows = formOf(inputs)
	}
	select {
	case q.jobs <- one:
	default:
		done()
		return nil, errFull
	}
	select {
	case got := <-one.answer:
		return got.outputs, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// take returns the jobs of the next run, nil at the end.
func (q *queue) take() []*job {
	q.gathering.Lock()
	defer q.gathering.Unlock()
	first := q.first()
	if first == nil {
		return nil
	}
	jobs, rows := []*job{first}, first.rows
	over := time.NewTimer(q.window)
	defer over.Stop()
	for first.form != "" && rows < q.rows {
		next := q.next(over.C)
		if next == nil {
			break
		}
		if next.left() {
			continue
		}
		if next.form != first.form || next.rows > q.rows-rows {
			q.held = next
			break
		}
		jobs, rows = append(jobs, next), rows+next.rows
	}
	return jobs
}

// first waits for a job whose caller is still there; nil at the end.
func (q *queue) first() *job {
	for {
		one := q.held
		q.held = nil
		if one == nil {
			one = <-q.jobs
		}
		if one == nil || !one.left() {
			return one
		}
	}
}

// next returns a job that waits, or that comes before the time is over; else nil.
func (q *queue) next(over <-chan time.Time) *job {
	select {
	case one := <-q.jobs:
		return one
	default:
	}
	select {
	case one := <-q.jobs:
		return one
	case <-over:
		return nil
	}
}

// left tells whether nobody waits for the answer any more, and then gives the job up.
func (j *job) left() bool {
	err := j.ctx.Err()
	if err != nil {
		j.ends(answer{err: err})
	}
	return err != nil
}

// ends answers the job.
func (j *job) ends(got answer) {
	j.answer <- got
	j.done()
}

// run answers jobs with one run, or one by one where that is refused: a bad row harms no request but its own.
func (q *queue) run(jobs []*job) {
	if len(jobs) > 1 {
		if parts, err := q.runJoined(jobs); err == nil {
			for index, one := range jobs {
				one.ends(answer{outputs: parts[index]})
			}
			return
		}
	}
	for _, one := range jobs {
		outputs, err := q.predictOnce(one.ctx, one.inputs, one.rows)
		one.ends(answer{outputs, err})
	}
}

// runJoined returns the outputs of each job. The run lasts as long as the most patient caller waits.
func (q *queue) runJoined(jobs []*job) ([]tensors, error) {
	var last time.Time
	rows := int64(0)
	for _, one := range jobs {
		if deadline, _ := one.ctx.Deadline(); deadline.After(last) {
			last = deadline
		}
		rows += one.rows
	}
	ctx, cancel := context.WithDeadline(context.Background(), last)
	defer cancel()
	outputs, err := q.predictOnce(ctx, join(jobs), rows)
	if err != nil {
		return nil, err
	}
	return split(outputs, jobs)
}

func (q *queue) predictOnce(ctx context.Context, inputs tensors, rows int64) (tensors, error) {
	if err := ctx.Err(); err != nil {
		// Nobody waits any more.
		return nil, err
	}
	begin := time.Now()
	outputs, err := q.runner.Predict(ctx, inputs)
	if err != nil {
		// What was refused has the rows that its caller claims.
		rows = 0
	}
	q.measured.ran(time.Since(begin), rows)
	return outputs, err
}
