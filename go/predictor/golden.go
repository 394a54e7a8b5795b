package predictor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

const (
	metadataKey  = "__metadata__"
	maxHeader    = 1 << 20
	maxRank      = 8
	lengthSize   = 8
	headerFiller = 8
)

// goldenCase is real inputs with the outputs that they must give.
type goldenCase struct {
	inputs map[string]Tensor
	// recorded has every output, as the variant gave it when it was built; source may lack some.
	recorded, source map[string]Tensor
}

// golden reads a golden case for one variant.
func (b *Bundle) golden(file goldenFile, variant string) (*goldenCase, error) {
	data, err := readFile(b.file(file.path), file.path, -1)
	if err != nil {
		return nil, err
	}
	tensors, err := readTensors(data)
	if err == nil {
		err = checkGoldenPorts(tensors, b.Manifest)
	}
	c := &goldenCase{}
	if err == nil {
		c.inputs, err = selectTensors(tensors, "inputs/", b.Manifest.Inputs)
	}
	if err == nil {
		c.recorded, err = selectTensors(tensors, "recorded/"+variant+"/", b.Manifest.Outputs)
	}
	if err != nil {
		return nil, refuseFor(err, "golden_malformed", file.path, "a golden file of the format")
	}
	// What the source model gave is reported, so it may be missing.
	c.source, _ = selectTensors(tensors, "source/", b.Manifest.Outputs)
	return c, nil
}

// checkGoldenPorts refuses a tensor that belongs to nothing in the manifest, or has another dtype or rank.
func checkGoldenPorts(tensors map[string]Tensor, manifest *Manifest) error {
	ports := map[string]*Port{}
	for index := range manifest.Inputs {
		ports["inputs/"+manifest.Inputs[index].Name] = &manifest.Inputs[index]
	}
	for index := range manifest.Outputs {
		port := &manifest.Outputs[index]
		ports["source/"+port.Name] = port
		for _, variant := range manifest.Variants {
			ports["recorded/"+variant.Name+"/"+port.Name] = port
		}
	}
	for _, key := range sortedNames(tensors) {
		port, known := ports[key]
		if !known {
			return fmt.Errorf("%s is neither an input, nor an output of the source or a variant", quoted(key))
		}
		if tensor := tensors[key]; tensor.dtype != port.DType || len(tensor.shape) != len(port.Shape) {
			return fmt.Errorf("%s is %s of rank %d, not %s", quoted(key), tensor.dtype, len(tensor.shape), describePort(*port))
		}
	}
	return nil
}

// selectTensors returns the tensors under a prefix by the names of the ports; the error names one that is missing.
func selectTensors(tensors map[string]Tensor, prefix string, ports []Port) (map[string]Tensor, error) {
	selected := map[string]Tensor{}
	var missing error
	for index := range ports {
		tensor, there := tensors[prefix+ports[index].Name]
		if !there {
			missing = fmt.Errorf("%s is not there", quoted(prefix+ports[index].Name))
			continue
		}
		selected[ports[index].Name] = tensor
	}
	return selected, missing
}

// readTensors returns the tensors of a golden file by key. They are views of data, at any address.
func readTensors(data []byte) (map[string]Tensor, error) {
	header, body, err := splitHeader(data)
	if err != nil {
		return nil, err
	}
	metadata, err := metadataOf(header)
	if err != nil {
		return nil, err
	}
	tensors := map[string]Tensor{}
	end := int64(0)
	for _, key := range sortedNames(header) {
		if key == metadataKey {
			continue
		}
		tensor, begin, stop, err := goldenTensor(header[key], body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quoted(key), err)
		}
		if begin != end {
			return nil, fmt.Errorf("%s begins at %d, not at %d", quoted(key), begin, end)
		}
		tensors[key], end = tensor, stop
	}
	if end != int64(len(body)) {
		return nil, fmt.Errorf("the tensors end at %d, the data at %d", end, len(body))
	}
	return joinStrings(tensors, metadata)
}

// splitHeader returns the header's tree and the data behind it.
func splitHeader(data []byte) (object, []byte, error) {
	if len(data) < lengthSize {
		return nil, nil, errors.New("shorter than the length of its header")
	}
	length := binary.LittleEndian.Uint64(data)
	if length > maxHeader || length > uint64(len(data)-lengthSize) {
		return nil, nil, fmt.Errorf("a header of %d bytes, which is too long or runs past the end", length)
	}
	text := strings.TrimRight(string(data[lengthSize:lengthSize+length]), " ")
	if length%headerFiller != 0 || length-uint64(len(text)) >= headerFiller {
		return nil, nil, errors.New("a header that is not padded to a multiple of 8 with at most 7 spaces")
	}
	value, err := parseJSON([]byte(text), false)
	if err != nil {
		return nil, nil, fmt.Errorf("a header that is not canonical JSON: %w", err)
	}
	header, is := value.(object)
	if !is {
		return nil, nil, errors.New("a header that is no object")
	}
	return header, data[lengthSize+length:], nil
}

func metadataOf(header object) (map[string]string, error) {
	metadata := map[string]string{}
	value, there := header[metadataKey]
	if !there {
		return metadata, nil
	}
	entries, is := value.(object)
	for key, text := range entries {
		word, isText := text.(string)
		metadata[key] = word
		is = is && isText
	}
	if !is {
		return nil, errors.New("`" + metadataKey + "` does not map text to text")
	}
	return metadata, nil
}

// goldenTensor reads one entry of the header; its bytes must lie inside the body.
func goldenTensor(entry any, body []byte) (tensor Tensor, begin, end int64, err error) {
	fields, _ := entry.(object)
	offsets, areOffsets := sizesOf(fields["data_offsets"])
	shape, isShape := sizesOf(fields["shape"])
	const keys, pair = 3, 2
	if len(fields) != keys || !areOffsets || len(offsets) != pair || !isShape || len(shape) > maxRank {
		return tensor, 0, 0, errors.New("other fields than data_offsets, dtype and shape, or of another form")
	}
	dtype, known := dtypeOfGolden(digText(fields, "dtype"))
	count, fits := elements(shape)
	begin, end = offsets[0], offsets[1]
	if !known || !fits || begin > end || end > int64(len(body)) || count > math.MaxInt/dtypes[dtype].size ||
		end-begin != int64(count*dtypes[dtype].size) {
		return tensor, 0, 0, errors.New("an unknown dtype, or a shape that does not fill its bytes")
	}
	tensor = Tensor{dtype: dtype, shape: shape, data: body[begin:end:end]}
	if dtype == Bool {
		err = checkCarried("", &tensor)
	}
	return tensor, begin, end, err
}

func dtypeOfGolden(word string) (DType, bool) {
	for dtype, row := range dtypes {
		if word != "" && row.golden == word {
			return dtype, true
		}
	}
	return "", false
}

// sizesOf returns a list of integers that are not negative.
func sizesOf(value any) ([]int64, bool) {
	list, is := value.([]any)
	sizes := make([]int64, 0, len(list))
	for _, element := range list {
		size, isInteger := element.(int64)
		is = is && isInteger && size >= 0
		sizes = append(sizes, size)
	}
	return sizes, is
}
