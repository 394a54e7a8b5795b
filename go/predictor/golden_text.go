package predictor

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A string tensor KEY stands in a golden file as two: where each string begins, and the text.
const (
	offsetsSuffix = ".offsets"
	textSuffix    = ".utf8"
	stringMark    = "string:"
)

var stringSizes = regexp.MustCompile(`^((0|[1-9][0-9]{0,15})(,(0|[1-9][0-9]{0,15})){0,7})?$`)

// joinStrings returns the tensors with each pair that the metadata calls a string as one; metadata about
// anything else is refused.
func joinStrings(tensors map[string]Tensor, metadata map[string]string) (map[string]Tensor, error) {
	for _, key := range sortedNames(metadata) {
		sizes, marked := strings.CutPrefix(metadata[key], stringMark)
		if !marked || !stringSizes.MatchString(sizes) {
			return nil, fmt.Errorf("%s is an entry of the metadata that is about no string", quoted(key))
		}
		offsets, hasOffsets := tensors[key+offsetsSuffix]
		text, hasText := tensors[key+textSuffix]
		if _, twice := tensors[key]; twice || !hasOffsets || !hasText {
			return nil, fmt.Errorf("%s is there without its two parts, or twice", quoted(key))
		}
		joined, err := joinString(offsets, text, shapeIn(sizes))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quoted(key), err)
		}
		delete(tensors, key+offsetsSuffix)
		delete(tensors, key+textSuffix)
		tensors[key] = joined
	}
	return tensors, nil
}

func shapeIn(sizes string) []int64 {
	shape := []int64{}
	if sizes == "" {
		return shape
	}
	for word := range strings.SplitSeq(sizes, ",") {
		// The pattern lets only numbers through that fit.
		size, _ := strconv.ParseInt(word, 10, 64)
		shape = append(shape, size)
	}
	return shape
}

func joinString(offsets, text Tensor, shape []int64) (Tensor, error) {
	if offsets.dtype != Int64 || text.dtype != Uint8 || len(offsets.shape) != 1 || len(text.shape) != 1 {
		return Tensor{}, errors.New("offsets that are not int64 or text that is not uint8, of rank 1")
	}
	positions, _ := Values[int64](offsets)
	count, ok := elements(shape)
	if !ok || len(positions) != count+1 || positions[0] != 0 || positions[count] != int64(len(text.data)) {
		return Tensor{}, errors.New("offsets that do not lead from 0 to the end, one per string")
	}
	// Before any is used: one that falls may come after one beyond the end.
	for index := range count {
		if positions[index+1] < positions[index] {
			return Tensor{}, errors.New("offsets that fall")
		}
	}
	tensor := Tensor{dtype: String, shape: shape, strings: make([]string, count)}
	for index := range count {
		tensor.strings[index] = string(text.data[positions[index]:positions[index+1]])
	}
	return tensor, checkCarried("", &tensor)
}
