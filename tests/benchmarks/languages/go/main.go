// The predictor in Go, for a benchmark; ../__init__.py says how it is called.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"example.com/edgebundle/go/predictor"
)

func check[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func shape(text string) []int64 {
	var sizes []int64
	for word := range strings.SplitSeq(text, "x") {
		sizes = append(sizes, check(strconv.ParseInt(word, 10, 64)))
	}
	return sizes
}

// values has memory of its own allocation, whose size makes Go begin it at a multiple of 16 bytes.
func values(shape []int64) predictor.Tensor {
	count := int64(1)
	for _, size := range shape {
		count *= size
	}
	data := make([]float32, max(count, 16))
	for index := range data {
		data[index] = float32(index%17) / 16
	}
	return predictor.NewTensor(data[:count], shape...)
}

func main() {
	bundle, input, output := os.Args[1], os.Args[3], os.Args[5]
	rows, piece := check(strconv.ParseInt(os.Args[7], 10, 64)), check(strconv.Atoi(os.Args[8]))
	background, options := context.Background(), predictor.Options{"format": "onnx"}
	opened := check(predictor.Open(bundle, options))
	one := map[string]predictor.Tensor{input: values(shape(os.Args[4]))}
	many := shape(os.Args[4])
	many[0] = rows
	all := map[string]predictor.Tensor{input: values(many)}
	call := check(opened.Bind(one, map[string]predictor.Tensor{output: values(shape(os.Args[6]))}))
	kinds := map[string]func(){
		"bound":   func() { check(0, call.Run(background)) },
		"predict": func() { check(opened.Predict(background, one)) },
		"whole":   func() { check(opened.Predict(background, all)) },
		"pieces":  func() { check(opened.PredictBatch(background, all, &piece, nil)) },
		"open":    func() { check(0, check(predictor.Open(bundle, options)).Close()) },
	}
	questions := bufio.NewScanner(os.Stdin)
	for questions.Scan() {
		kind, count, _ := strings.Cut(questions.Text(), " ")
		if kind == "answer" {
			fmt.Println(hex.EncodeToString(check(opened.Predict(background, one))[output].Bytes()))
			continue
		}
		run := kinds[kind]
		start := time.Now()
		for range check(strconv.Atoi(count)) {
			run()
		}
		fmt.Println(time.Since(start).Nanoseconds())
	}
}
