package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"example.com/edgebundle/go/predictor"
)

// headerLength names the header that says where the JSON of a body ends and its binary tensors begin.
const headerLength = "Inference-Header-Content-Length"

// inferRequest is an inference request. Fields that the protocol leaves to extensions are ignored, but for those
// that would change the answer.
type inferRequest struct {
	ID         string `json:"id"`
	Parameters struct {
		BinaryDataOutput bool `json:"binary_data_output"`
		// Timeout is in microseconds.
		Timeout int64 `json:"timeout"`
	} `json:"parameters"`
	Inputs  tensorList[requestInput]  `json:"inputs"`
	Outputs tensorList[requestOutput] `json:"outputs"`
}

const (
	mostTensors = 4096
	mostAxes    = 64
)

// tensorList is a list that ends: read without a bound, a body of `{},{},` would take up thirty times its size.
type tensorList[T any] []T

// UnmarshalJSON reads one element after the other.
func (l *tensorList[T]) UnmarshalJSON(text []byte) (err error) {
	*l, err = readList[T](text, mostTensors, "tensors")
	return err
}

// axes are the sizes of a shape, few enough to be told in an error.
type axes []int64

// UnmarshalJSON reads one size after the other.
func (a *axes) UnmarshalJSON(text []byte) (err error) {
	*a, err = readList[int64](text, mostAxes, "axes")
	return err
}

// readList reads a list of at most so many elements.
func readList[T any](text []byte, most int, what string) (list []T, err error) {
	reader := json.NewDecoder(bytes.NewReader(text))
	if first, err := reader.Token(); err != nil || first != json.Delim('[') {
		return nil, badRequest("a list of %s is wanted", what)
	}
	for reader.More() {
		var one T
		if err := reader.Decode(&one); err != nil {
			return nil, err
		}
		if list = append(list, one); len(list) > most {
			return nil, badRequest("more than %d %s", most, what)
		}
	}
	return list, nil
}

type requestInput struct {
	Name       string `json:"name"`
	Datatype   string `json:"datatype"`
	Shape      axes   `json:"shape"`
	Parameters struct {
		BinaryDataSize *int64 `json:"binary_data_size"`
	} `json:"parameters"`
	Data json.RawMessage `json:"data"`
}

type requestOutput struct {
	Name       string `json:"name"`
	Parameters struct {
		BinaryData     *bool `json:"binary_data"`
		Classification int   `json:"classification"`
	} `json:"parameters"`
}

// parseRequest reads a body; length is the value of the header headerLength, "" where there is none. The error is a
// *fault. The tensors share the body's memory where they are binary. What the model makes of their names, datatypes
// and shapes is the predictor's to say.
func parseRequest(body []byte, length string) (*inferRequest, tensors, error) {
	head, binaries := body, []byte{}
	if length != "" {
		end, err := strconv.ParseUint(length, 10, 63)
		if err != nil || end > uint64(len(body)) {
			return nil, nil, badRequest("%s: expected at most the %d bytes of the body, found %.40q", headerLength, len(body), length)
		}
		head, binaries = body[:end], body[end:]
	}
	request := &inferRequest{}
	if err := json.Unmarshal(head, request); err != nil {
		return nil, nil, badRequest("the request is no inference request in JSON: %v", err)
	}
	inputs := tensors{}
	for index := range request.Inputs {
		input := &request.Inputs[index]
		if _, twice := inputs[input.Name]; twice {
			return nil, nil, badRequest("input `%.80s` is given twice", input.Name)
		}
		tensor, rest, err := input.tensor(binaries)
		if err != nil {
			return nil, nil, badRequest("input `%.80s`: %v", input.Name, err)
		}
		inputs[input.Name], binaries = tensor, rest
	}
	if len(binaries) > 0 {
		return nil, nil, badRequest("%d bytes are left that belong to no input", len(binaries))
	}
	return request, inputs, request.check()
}

// check refuses what would change the answer, and is not there.
func (r *inferRequest) check() error {
	if r.Parameters.Timeout < 0 {
		return badRequest("timeout: expected microseconds, found %d", r.Parameters.Timeout)
	}
	named := map[string]bool{}
	for _, output := range r.Outputs {
		if named[output.Name] {
			return badRequest("output `%.80s` is asked for twice", output.Name)
		}
		named[output.Name] = true
		if output.Parameters.Classification != 0 {
			return badRequest("output `%.80s`: classification is not supported", output.Name)
		}
	}
	return nil
}

// patience returns how long the caller waits for an answer, at most the service's own time.
func (r *inferRequest) patience(most time.Duration) time.Duration {
	asked := r.Parameters.Timeout
	if asked == 0 || asked > most.Microseconds() {
		return most
	}
	return time.Duration(asked) * time.Microsecond
}

// tensor returns the input and what is left of the binary part of the body.
func (i *requestInput) tensor(binaries []byte) (predictor.Tensor, []byte, error) {
	of, known := datatypeNamed(i.Datatype)
	if !known {
		return predictor.Tensor{}, nil, badRequest("no datatype `%.40s`", i.Datatype)
	}
	count, ok := countOf(i.Shape)
	if !ok {
		return predictor.Tensor{}, nil, badRequest("no tensor has the shape %v", i.Shape)
	}
	size := i.Parameters.BinaryDataSize
	if (size != nil) == (len(i.Data) > 0) {
		return predictor.Tensor{}, nil, badRequest("either data or binary_data_size is wanted")
	}
	if size == nil {
		if of.kind == half {
			return predictor.Tensor{}, nil, badRequest("FP16 travels in binary only")
		}
		tensor, err := readElements(of, i.Data, i.Shape, count)
		return tensor, binaries, err
	}
	if *size < 0 || *size > int64(len(binaries)) {
		return predictor.Tensor{}, nil, badRequest("binary_data_size is %d where %d bytes are left", *size, len(binaries))
	}
	content, rest := binaries[:*size], binaries[*size:]
	if of.kind == text {
		texts, err := readTexts(content, count)
		return predictor.NewStrings(texts, i.Shape...), rest, err
	}
	if len(content)%of.size != 0 || len(content)/of.size != count {
		return predictor.Tensor{}, nil, badRequest("%d bytes of %s do not fill the shape %v", len(content), of.name, i.Shape)
	}
	return predictor.NewBytes(of.dtype, content, i.Shape...), rest, nil
}

// countOf returns the number of elements of a shape; false where a size is negative or the number too large.
func countOf(shape []int64) (int, bool) {
	const largest = 1 << 40
	if slices.ContainsFunc(shape, func(size int64) bool { return size < 0 }) {
		return 0, false
	}
	if slices.Contains(shape, 0) {
		return 0, true
	}
	count := uint64(1)
	for _, size := range shape {
		high, low := bits.Mul64(count, uint64(size))
		if high != 0 || low > largest {
			return 0, false
		}
		count = low
	}
	return int(count), true
}

// readTexts reads elements of BYTES: each has its length before it, in 4 bytes.
func readTexts(content []byte, count int) ([]string, error) {
	var texts []string
	for len(content) > 0 {
		if len(content) < 4 || uint64(binary.LittleEndian.Uint32(content)) > uint64(len(content)-4) {
			return nil, badRequest("an element of BYTES that is longer than the data")
		}
		end := 4 + int(binary.LittleEndian.Uint32(content))
		if !utf8.Valid(content[4:end]) {
			return nil, badRequest("an element of BYTES that is not UTF-8")
		}
		texts = append(texts, string(content[4:end]))
		content = content[end:]
	}
	if len(texts) != count {
		return nil, badRequest("%d elements of BYTES, not %d", len(texts), count)
	}
	return texts, nil
}
