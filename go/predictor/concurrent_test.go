package predictor

import (
	"bytes"
	"math"
	"runtime"
	"sync"
	"testing"
)

// sums is a model whose answers depend on how its sums are taken.
func sums() model {
	return model{
		nodes: []node{
			{op: "MatMul", inputs: []string{"a", "b"}, outputs: []string{"product"}},
			{op: "ReduceSum", inputs: []string{"a"}, outputs: []string{"total"}},
		},
		inputs:  []port{{"a", Float32, []any{"rows", "inner"}}, {"b", Float32, []any{"inner", "columns"}}},
		outputs: []port{{"product", Float32, []any{"rows", "columns"}}, {"total", Float32, []any{1, 1}}},
		batch:   "rows",
	}
}

func waves(rows, columns int, phase float64) []float32 {
	values := make([]float32, rows*columns)
	for index := range values {
		values[index] = float32(math.Sin(phase + float64(index)))
	}
	return values
}

func TestEightGoroutinesOnOnePredictorAnswerAlike(t *testing.T) {
	const goroutines, calls, shapes, inner, columns = 8, 1000, 5, 33, 7
	p := sums().open(t, Options{"intra_op_threads": 2})
	b := NewTensor(waves(inner, columns, 0.5), inner, columns)
	inputs := make([]map[string]Tensor, shapes)
	expected := make([]map[string]Tensor, shapes)
	for rows := range shapes {
		content := asBytes(waves(rows+1, inner, float64(rows)))
		inputs[rows] = map[string]Tensor{"a": NewBytes(Float32, place(content, 4*(rows%4)), int64(rows+1), inner), "b": b}
		var err error
		expected[rows], err = p.Predict(background, inputs[rows])
		must(t, err)
	}
	var group sync.WaitGroup
	for worker := range goroutines {
		group.Go(func() {
			for call := range calls {
				rows := (worker + call) % shapes
				got, err := p.Predict(background, inputs[rows])
				if err != nil {
					t.Error(err)
					return
				}
				for name, tensor := range expected[rows] {
					if !bytes.Equal(got[name].Bytes(), tensor.Bytes()) {
						t.Errorf("worker %d, call %d: `%s` differs", worker, call, name)
						return
					}
				}
				if call%250 == 0 {
					runtime.GC()
				}
			}
		})
	}
	group.Wait()
}

func TestClosingWaitsForCallsInFlight(t *testing.T) {
	p := sums().open(t, nil)
	inputs := map[string]Tensor{"a": NewTensor(waves(64, 64, 0), 64, 64), "b": NewTensor(waves(64, 64, 1), 64, 64)}
	outputs := map[string]Tensor{"total": NewBytes(Float32, alignedBytes(4), 1, 1)}
	var group sync.WaitGroup
	started := make(chan struct{}, 8)
	for range cap(started) {
		group.Go(func() {
			call, err := p.Bind(map[string]Tensor{"a": NewBytes(Float32, place(inputs["a"].Bytes(), 0), 64, 64), "b": NewBytes(Float32, place(inputs["b"].Bytes(), 0), 64, 64)}, nil)
			started <- struct{}{}
			for err == nil {
				_, err = p.Predict(background, inputs)
				if err == nil {
					err = call.Run(background)
				}
			}
			refused(t, err, "predictor_closed", ".")
			if err := call.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for range cap(started) {
		<-started
	}
	must(t, p.Close())
	must(t, p.Close())
	group.Wait()
	refused(t, p.PredictInto(background, inputs, outputs), "predictor_closed", ".")
	_, err := p.SelfTest(background)
	refused(t, err, "predictor_closed", ".")
	_, err = p.Bind(inputs, nil)
	refused(t, err, "predictor_closed", ".")
}

func TestAForkedProcessIsRefused(t *testing.T) {
	p := sums().open(t, nil)
	// A Go process cannot fork and go on; the process is told by its number.
	p.gate.pid++
	_, err := p.Predict(background, nil)
	refused(t, err, "process_forked", ".")
	must(t, p.Close())
	p.gate.pid--
}

func TestForgottenPredictorsAndCallsAreHarmless(t *testing.T) {
	folder := sums().bundle(t)
	for range 20 {
		p, err := Open(folder, nil)
		must(t, err)
		_, err = p.Bind(map[string]Tensor{"a": NewBytes(Float32, alignedBytes(64), 4, 4), "b": NewBytes(Float32, alignedBytes(64), 4, 4)}, map[string]Tensor{"total": NewBytes(Float32, alignedBytes(4), 1, 1)})
		must(t, err)
		runtime.GC()
	}
}

func TestABoundCallGivesTheBytesOfPredict(t *testing.T) {
	p := sums().open(t, nil)
	a, b := alignedBytes(4*33*8), alignedBytes(4*33*7)
	copy(b, asBytes(waves(33, 7, 2)))
	inputs := map[string]Tensor{"a": NewBytes(Float32, a, 8, 33), "b": NewBytes(Float32, b, 33, 7)}
	product := NewBytes(Float32, alignedBytes(4*8*7), 8, 7)
	call, err := p.Bind(inputs, map[string]Tensor{"product": product})
	must(t, err)
	defer func() { _ = call.Close() }()
	for phase := range 20 {
		copy(a, asBytes(waves(8, 33, float64(phase))))
		runtime.GC()
		must(t, call.Run(background))
		expected, err := p.Predict(background, inputs)
		must(t, err)
		if !bytes.Equal(product.Bytes(), expected["product"].Bytes()) {
			t.Fatalf("phase %d differs", phase)
		}
	}
	allocations := testing.AllocsPerRun(100, func() { must(t, call.Run(background)) })
	if allocations > 0 {
		t.Errorf("%v allocations in a bound call", allocations)
	}
	a[3], a[2] = 0x7f, 0xc0
	refused(t, call.Run(background), "input_not_finite", "a")
	copy(a, asBytes(waves(8, 33, 0)))
	_, err = p.Bind(map[string]Tensor{"a": NewBytes(Float32, place(a[:4*33], 4), 1, 33), "b": inputs["b"]}, nil)
	refused(t, err, "buffer_unsuitable", "a")
	_, err = p.Bind(inputs, map[string]Tensor{"total": NewBytes(Float32, a[:4], 1, 1), "none": {}})
	refused(t, err, "output_unknown", "none")
}
