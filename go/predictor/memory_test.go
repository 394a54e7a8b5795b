package predictor

import (
	"bytes"
	"testing"
)

func TestOutputsAreWrittenToTheCallersMemoryWhereItFits(t *testing.T) {
	const inner, columns = 33, 8
	p := sums().open(t, nil)
	b := NewTensor(waves(inner, columns, 0.5), inner, columns)
	inputs := map[string]Tensor{"a": NewTensor(waves(1, inner, 1), 1, inner), "b": b}
	expected, err := p.Predict(background, inputs)
	must(t, err)
	memory := map[string][]byte{
		"product": alignedBytes(4 * columns), "total": alignedBytes(3), "another": alignedBytes(4),
	}
	got, err := p.PredictWith(background, inputs, memory)
	must(t, err)
	for name, tensor := range expected {
		if !bytes.Equal(got[name].Bytes(), tensor.Bytes()) {
			t.Errorf("`%s` differs", name)
		}
	}
	if address(got["product"].Bytes()) != address(memory["product"]) {
		t.Error("memory that fits was not used")
	}
	if !bytes.Equal(memory["total"], make([]byte, 3)) {
		t.Error("memory that does not fit was written to")
	}
}

func TestMemoryAtAnOddAddressIsLeftAlone(t *testing.T) {
	p := identity(Float32, "n").open(t, nil)
	memory := place(make([]byte, 12), 4)
	got, err := p.PredictWith(background, map[string]Tensor{"x": NewTensor([]float32{1, 2, 3}, 3)}, map[string][]byte{"y": memory})
	must(t, err)
	if !bytes.Equal(memory, make([]byte, 12)) || bytes.Equal(got["y"].Bytes(), memory) {
		t.Error("the library was handed an odd address")
	}
}

func TestABatchIsJoinedInTheCallersMemory(t *testing.T) {
	m := identity(Float32, "n", 4)
	m.batch = "n"
	p := m.open(t, nil)
	const rows = 11
	x := NewTensor(waves(rows, 4, 1), rows, 4)
	for _, size := range []int{1, 3, 4, rows, 100} {
		for _, offset := range []int{0, 4} {
			memory := place(make([]byte, len(x.Bytes())), offset)
			got, err := p.PredictBatchWith(background, map[string]Tensor{"x": x}, &size, nil, map[string][]byte{"y": memory})
			must(t, err)
			if !bytes.Equal(got["y"].Bytes(), x.Bytes()) {
				t.Errorf("pieces of %d, offset %d: other values", size, offset)
			}
			// One piece is no join: its memory is only used where it can be handed over.
			if (size < rows || offset == 0) && address(got["y"].Bytes()) != address(memory) {
				t.Errorf("pieces of %d, offset %d: other memory", size, offset)
			}
		}
	}
}
