// Prints what the model of a bundle of digits makes of an empty image.
package main

import (
	"context"
	"fmt"
	"os"

	"example.com/edgebundle/go/predictor"
)

func main() {
	p, err := predictor.Open(os.Args[1], nil)
	if err != nil {
		panic(err)
	}
	image := predictor.NewTensor(make([]float32, 64), 1, 1, 8, 8)
	outputs, err := p.Predict(context.Background(), map[string]predictor.Tensor{"image": image})
	values, _ := predictor.Values[float32](outputs["probabilities"])
	fmt.Println(values, err)
}
