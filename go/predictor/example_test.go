package predictor_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

	"example.com/edgebundle/go/predictor"
)

// folder returns a bundle of the vectors: y = 2x + 1 on rows of three.
func folder() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "../../spec/cases/valid/scale_rows/bundle")
}

func ExampleOpen() {
	p, err := predictor.Open(folder(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = p.Close() }()
	rows := predictor.NewTensor([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	outputs, err := p.Predict(context.Background(), map[string]predictor.Tensor{"x": rows})
	if err != nil {
		fmt.Println(err)
		return
	}
	values, _ := predictor.Values[float32](outputs["y"])
	fmt.Println(outputs["y"].Shape(), values)
	// Output: [2 3] [3 5 7 9 11 13]
}

func ExampleError() {
	_, err := predictor.Open(folder(), predictor.Options{"intra_op_threads": 0})
	var refusal *predictor.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Code, refusal.Subject)
	}
	// Output: option_invalid intra_op_threads
}
