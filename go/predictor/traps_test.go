package predictor

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"
)

var background = context.Background()

func asError(err error) *Error {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal
	}
	return nil
}

func identity(dtype DType, shape ...any) model {
	return model{
		nodes:  []node{{op: "Identity", inputs: []string{"x"}, outputs: []string{"y"}}},
		inputs: []port{{"x", dtype, append([]any{}, shape...)}}, outputs: []port{{"y", dtype, append([]any{}, shape...)}},
	}
}

func TestScalarsOfEveryDtypeGoThrough(t *testing.T) {
	for dtype, row := range dtypes {
		if dtype == String || dtype == Float16 {
			continue
		}
		p := identity(dtype).open(t, nil)
		content := append([]byte{1}, make([]byte, row.size-1)...)
		got, err := p.Predict(background, map[string]Tensor{"x": NewBytes(dtype, content)})
		must(t, err)
		if len(got["y"].Shape()) != 0 || !bytes.Equal(got["y"].Bytes(), content) {
			t.Errorf("%s: %v", dtype, got["y"])
		}
		call, err := p.Bind(map[string]Tensor{"x": NewBytes(dtype, place(content, 0))}, map[string]Tensor{"y": NewBytes(dtype, alignedBytes(row.size))})
		must(t, err)
		must(t, call.Run(background))
		if !bytes.Equal(call.buffers[0].data, content) {
			t.Errorf("%s bound: %v", dtype, call.buffers[0].data)
		}
		must(t, call.Close())
	}
}

// place copies content to memory that begins offset bytes above a multiple of 16.
func place(content []byte, offset int) []byte {
	memory := alignedBytes(len(content) + offset)[offset:]
	copy(memory, content)
	return memory
}

func TestEmptyTensorsOfEveryDtypeGoThrough(t *testing.T) {
	for dtype := range dtypes {
		p := identity(dtype, "n", 0).open(t, nil)
		empty := NewBytes(dtype, nil, 3, 0)
		if dtype == String {
			empty = NewStrings(nil, 3, 0)
		}
		got, err := p.Predict(background, map[string]Tensor{"x": empty})
		must(t, err)
		if y := got["y"]; y.DType() != dtype || !slices.Equal(y.Shape(), []int64{3, 0}) || len(y.Bytes())+len(y.Strings()) != 0 {
			t.Errorf("%s: %v", dtype, y)
		}
	}
}

// chosen keeps the elements of x where c is true: a size that no input tells.
func chosen(dtype DType) model {
	return model{
		nodes:  []node{{"Compress", []string{"x", "c"}, []string{"y"}, map[string]int64{"axis": 0}}},
		inputs: []port{{"x", dtype, []any{"n"}}, {"c", Bool, []any{"n"}}}, outputs: []port{{"y", dtype, []any{"kept"}}},
	}
}

func TestSizesThatOnlyTheModelKnows(t *testing.T) {
	for dtype, row := range dtypes {
		if dtype == String {
			continue
		}
		p := chosen(dtype).open(t, nil)
		x := append(bytes.Repeat([]byte{1}, row.size), make([]byte, 3*row.size)...)
		for kept, mask := range [][]bool{{false, false, false, false}, {true, false, false, false}, {true, true, false, false}, {true, true, true, false}} {
			got, err := p.Predict(background, map[string]Tensor{"x": NewBytes(dtype, x, 4), "c": NewTensor(mask, 4)})
			must(t, err)
			if y := got["y"]; !slices.Equal(y.Shape(), []int64{int64(kept)}) || !bytes.Equal(y.Bytes(), x[:kept*row.size]) {
				t.Errorf("%s, %d kept: %v", dtype, kept, y)
			}
		}
	}
}

func TestABoundBufferOfAnotherSizeThanTheModelsIsRefused(t *testing.T) {
	p := chosen(Float32).open(t, nil)
	mask := place([]byte{1, 1, 0, 0}, 0)
	inputs := map[string]Tensor{"x": NewBytes(Float32, alignedBytes(16), 4), "c": NewBytes(Bool, mask, 4)}
	call, err := p.Bind(inputs, map[string]Tensor{"y": NewBytes(Float32, alignedBytes(8), 2)})
	must(t, err)
	must(t, call.Run(background))
	mask[2] = 1
	refused(t, call.Run(background), "buffer_unsuitable", "y")
	mask[2] = 2
	refused(t, call.Run(background), "input_value", "c")
	mask[2] = 0
	must(t, call.Run(background))
	must(t, call.Close())
	must(t, call.Close())
	refused(t, call.Run(background), "predictor_closed", ".")
	err = p.PredictInto(background, inputs, map[string]Tensor{"y": NewBytes(Float32, make([]byte, 4), 1)})
	refused(t, err, "buffer_unsuitable", "y")
}

func TestStringsGoThroughAndNULIsRefused(t *testing.T) {
	p := chosen(String).open(t, nil)
	texts := []string{"", "ä\U0001F600", "b"}
	mask := NewTensor([]bool{true, true, false}, 3)
	got, err := p.Predict(background, map[string]Tensor{"x": NewStrings(texts, 3), "c": mask})
	must(t, err)
	if !slices.Equal(got["y"].Strings(), texts[:2]) {
		t.Errorf("%q", got["y"].Strings())
	}
	for _, wrong := range []string{"a\x00b", "\xff", "\xed\xa0\x80"} {
		_, err := p.Predict(background, map[string]Tensor{"x": NewStrings([]string{wrong, "", ""}, 3), "c": mask})
		refused(t, err, "input_value", "x")
	}
}

func TestAnOutputThatTheManifestGetsWrong(t *testing.T) {
	float16 := chosen(Float16)
	cases := map[string]struct {
		made   model
		shape  []any
		passes bool
	}{
		"a symbol of another value": {chosen(Float32), []any{"n"}, true},
		"the same in float16":       {float16, []any{"n"}, true},
		"a fixed size":              {chosen(Float32), []any{4}, false},
		"a fixed size in float16":   {float16, []any{4}, false},
		"a size beyond memory":      {chosen(Float32), []any{1<<53 - 1}, false},
		"the same size in float16":  {float16, []any{1<<53 - 1}, false},
		"a size that may be":        {chosen(Float32), []any{1 << 36}, false},
		"two sizes that overflow":   {chosen(Float32), []any{1<<53 - 1, 1<<53 - 1}, false},
		"a scalar":                  {chosen(Float32), []any{}, false},
		"another rank":              {chosen(Float32), []any{"n", "n"}, false},
	}
	for name, one := range cases {
		one.made.promised = []port{{"y", one.made.outputs[0].dtype, one.shape}}
		one.made.outputs[0].shape = nil
		p := one.made.open(t, Options{"mode": "quick"})
		x := NewBytes(one.made.outputs[0].dtype, make([]byte, 4*dtypes[one.made.outputs[0].dtype].size), 4)
		_, err := p.Predict(background, map[string]Tensor{"x": x, "c": NewTensor([]bool{true, false, true, false}, 4)})
		if one.passes {
			must(t, err)
		} else {
			t.Log(name)
			refused(t, err, "output_mismatch", "y")
		}
	}
}

func TestASymbolOfAnOutputHasNoValueToHold(t *testing.T) {
	for _, dtype := range []DType{Float32, Float16} {
		made := identity(dtype, "n", 3)
		made.promised = []port{{"y", dtype, []any{2, "n"}}}
		p := made.open(t, nil)
		x := NewBytes(dtype, make([]byte, 6*dtypes[dtype].size), 2, 3)
		got, err := p.Predict(background, map[string]Tensor{"x": x})
		must(t, err)
		if y := got["y"]; !slices.Equal(y.Shape(), []int64{2, 3}) {
			t.Errorf("%s: %v", dtype, y.Shape())
		}
		buffer := NewBytes(dtype, alignedBytes(4*dtypes[dtype].size), 2, 2)
		refused(t, p.PredictInto(background, map[string]Tensor{"x": x}, map[string]Tensor{"y": buffer}), "buffer_unsuitable", "y")
	}
}

func TestAnOutputOfAnotherTypeInQuickMode(t *testing.T) {
	made := identity(Float32, "n")
	made.promised = []port{{"y", Float16, []any{"n"}}}
	p := made.open(t, Options{"mode": "quick"})
	_, err := p.Predict(background, map[string]Tensor{"x": NewTensor([]float32{1}, 1)})
	refused(t, err, "output_mismatch", "y")
}

func TestSumsHaveOneBitPatternAtEveryAddress(t *testing.T) {
	made := model{
		nodes:  []node{{"ReduceSum", []string{"x"}, []string{"y"}, map[string]int64{"keepdims": 0}}},
		inputs: []port{{"x", Float32, []any{"n"}}}, outputs: []port{{"y", Float32, []any{}}},
	}
	p := made.open(t, nil)
	content := make([]float32, 1001)
	for index := range content {
		content[index] = float32(math.Sin(float64(index)))
	}
	var first []byte
	for offset := range alignment {
		got, err := p.Predict(background, map[string]Tensor{"x": NewBytes(Float32, place(asBytes(content), offset), 1001)})
		must(t, err)
		if first == nil {
			first = got["y"].Bytes()
		}
		if !bytes.Equal(first, got["y"].Bytes()) {
			t.Errorf("offset %d: %x instead of %x", offset, got["y"].Bytes(), first)
		}
	}
}

func TestTensorsThatCannotBe(t *testing.T) {
	p := identity(Float32, "n", "m").open(t, nil)
	for _, wrong := range []Tensor{
		NewTensor([]float32{1}, 1, 2), NewTensor([]float32{1}, -1, -1), NewTensor([]float32{}, math.MaxInt64, math.MaxInt64),
		NewTensor([]float32{}, 1<<32, 1<<32), NewBytes(Float32, []byte{1, 2, 3}, 1, 1),
	} {
		_, err := p.Predict(background, map[string]Tensor{"x": wrong})
		refused(t, err, "input_shape_mismatch", "x")
	}
	_, err := p.Predict(background, map[string]Tensor{"x": {}})
	refused(t, err, "input_dtype_mismatch", "x")
	_, err = p.Predict(background, nil)
	refused(t, err, "input_missing", "x")
}

// endless is a model that runs for long: a loop of squarings of a matrix.
func endless() model {
	made := identity(Float32, "n", "n")
	made.nodes = nil
	last := "x"
	for index := range 400 {
		next := "t" + string(rune('0'+index%10)) + string(rune('a'+index/10%26)) + string(rune('a'+index/260))
		made.nodes = append(made.nodes, node{op: "MatMul", inputs: []string{last, "x"}, outputs: []string{next}})
		last = next
	}
	made.nodes = append(made.nodes, node{op: "Identity", inputs: []string{last}, outputs: []string{"y"}})
	return made
}

func TestACancelledCallEndsEarly(t *testing.T) {
	p := endless().open(t, nil)
	const size = 512
	x := NewTensor(make([]float32, size*size), size, size)
	ended, cancel := context.WithCancel(background)
	cancel()
	_, err := p.Predict(ended, map[string]Tensor{"x": x})
	refused(t, err, "predict_cancelled", ".")
	soon, cancel := context.WithTimeout(background, 30*time.Millisecond)
	defer cancel()
	_, err = p.Predict(soon, map[string]Tensor{"x": x})
	refused(t, err, "predict_cancelled", ".")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the cause is %v", errors.Unwrap(err))
	}
}

func TestABatchIsCutJoinedAndCancelled(t *testing.T) {
	made := identity(Float32, 2, "rows")
	made.batch = "rows"
	p := made.open(t, nil)
	x := NewTensor([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 2, 5)
	var seen []int64
	got, err := p.PredictBatch(background, map[string]Tensor{"x": x}, new(2), func(done, total int64) bool {
		seen = append(seen, done, total)
		return true
	})
	must(t, err)
	if !bytes.Equal(got["y"].Bytes(), x.Bytes()) || !slices.Equal(seen, []int64{2, 5, 4, 5, 5, 5}) {
		t.Errorf("%v, %v", got["y"], seen)
	}
	_, err = p.PredictBatch(background, map[string]Tensor{"x": x}, new(2), func(int64, int64) bool { return false })
	refused(t, err, "predict_cancelled", ".")
	ended, cancel := context.WithCancel(background)
	_, err = p.PredictBatch(ended, map[string]Tensor{"x": x}, new(2), func(int64, int64) bool { cancel(); return true })
	refused(t, err, "predict_cancelled", ".")
}
