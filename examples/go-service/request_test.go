package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"example.com/edgebundle/go/predictor"
)

func inputOf(fields string) string { return `{"inputs":[{"name":"x",` + fields + `}]}` }

// refusedRequests are bodies with the header that says how long their JSON is.
var refusedRequests = []struct{ body, length string }{
	{"", ""},
	{"{", ""},
	{"[]", ""},
	{"null 1", ""},
	{`{"inputs":{}}`, ""},
	{"{}", "3"},
	{"{}", "-1"},
	{"{}", "two"},
	{"{} ", "2"},
	{"{}", "99999999999999999999"},
	{inputOf(`"datatype":"FP31","shape":[1],"data":[1]`), ""},
	{inputOf(`"datatype":"FP16","shape":[1],"data":[1]`), ""},
	{inputOf(`"datatype":"FP32","shape":[-1],"data":[1]`), ""},
	{inputOf(`"datatype":"FP32","shape":[4294967296,4294967296],"data":[1]`), ""},
	{inputOf(`"datatype":"FP32","shape":[1.5],"data":[1]`), ""},
	{inputOf(`"datatype":"FP32","shape":"1","data":[1]`), ""},
	{inputOf(`"datatype":"FP32","shape":[-1` + strings.Repeat(",0", 1<<20) + `],"data":[1]`), ""},
	{inputOf(`"datatype":"FP32","shape":[1]`), ""},
	{inputOf(`"datatype":"FP32","shape":[2],"data":[1]`), ""},
	{inputOf(`"datatype":"FP32","shape":[1],"data":[1,2]`), ""},
	{inputOf(`"datatype":"FP32","shape":[1],"data":1`), ""},
	{inputOf(`"datatype":"FP32","shape":[1],"data":null`), ""},
	{inputOf(`"datatype":"FP32","shape":[1],"data":[NaN]`), ""},
	{inputOf(`"datatype":"FP32","shape":[1],"data":["1"]`), ""},
	{inputOf(`"datatype":"FP32","shape":[1],"data":[{}]`), ""},
	{inputOf(`"datatype":"FP32","shape":[1],"data":[1e39]`), ""},
	{inputOf(`"datatype":"FP32","shape":[2,2],"data":[[1,2],[3]]`), ""},
	{inputOf(`"datatype":"FP32","shape":[2,2],"data":[[1,2,3],[4]]`), ""},
	{inputOf(`"datatype":"FP32","shape":[2,2],"data":[[1,2],[3,4],[5,6]]`), ""},
	{inputOf(`"datatype":"FP32","shape":[1,2],"data":[[[1,2]]]`), ""},
	{inputOf(`"datatype":"FP32","shape":[1099511627776,0],"data":[[],[]]`), ""},
	{inputOf(`"datatype":"INT8","shape":[1],"data":[128]`), ""},
	{inputOf(`"datatype":"INT8","shape":[1],"data":[1.0]`), ""},
	{inputOf(`"datatype":"UINT8","shape":[1],"data":[-1]`), ""},
	{inputOf(`"datatype":"BOOL","shape":[1],"data":[1]`), ""},
	{inputOf(`"datatype":"BYTES","shape":[1],"data":[1]`), ""},
	{inputOf(`"datatype":"BYTES","shape":[1],"data":[null]`), ""},
	{inputOf("\"datatype\":\"BYTES\",\"shape\":[1],\"data\":[\"a\xff\"]"), ""},
	{inputOf(`"datatype":"BYTES","shape":[1],"data":["\ud800"]`), ""},
	{inputOf(`"datatype":"BYTES","shape":[1],"data":["\\\ufffd\ud800"]`), ""},
	{inputOf(`"datatype":"FP32","shape":[1],"data":[1],"parameters":{"binary_data_size":4}`) + "0000", "91"},
	{inputOf(`"datatype":"FP32","shape":[1],"parameters":{"binary_data_size":-4}`), ""},
	{inputOf(`"datatype":"FP32","shape":[1],"parameters":{"binary_data_size":"4"}`), ""},
	{`{"inputs":null}`, ""},
	{`{"inputs":[1]}`, ""},
	{`{"inputs":[` + strings.Repeat("{},", mostTensors) + `{}]}`, ""},
	{`{"inputs":[],"outputs":[{"name":"y"},{"name":"y"}]}`, ""},
	{`{"inputs":[],"parameters":{"timeout":-1}}`, ""},
	{`{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":3}}]}`, ""},
	{`{"inputs":[{"name":"x","datatype":"BOOL","shape":[0],"data":[]},{"name":"x","datatype":"BOOL","shape":[0],"data":[]}]}`, ""},
}

func TestRequestsThatAreRefused(t *testing.T) {
	for _, one := range refusedRequests {
		_, _, err := parseRequest([]byte(one.body), one.length)
		var refusal *fault
		if !errors.As(err, &refusal) || refusal.status != http.StatusBadRequest || len(refusal.text) > 1000 {
			t.Errorf("%.200s %s: found %v", one.body, one.length, err)
		}
	}
}

// inBinary is a body whose one input comes as these bytes.
func inBinary(datatype, shape string, size int, content string) (body []byte, length string) {
	head := inputOf(fmt.Sprintf(`"datatype":%q,"shape":%s,"parameters":{"binary_data_size":%d}`, datatype, shape, size))
	return []byte(head + content), fmt.Sprint(len(head))
}

func TestBinaryInputsThatAreRefused(t *testing.T) {
	for _, one := range []struct {
		datatype, shape string
		size            int
		content         string
	}{
		{"FP32", "[1]", 8, "0000"},
		{"FP32", "[1]", 4, "000"},
		{"FP32", "[1]", 4, "00000"},
		{"FP32", "[2]", 4, "0000"},
		{"FP32", "[1]", 3, "000"},
		{"FP32", "[1]", 0, ""},
		{"FP64", "[1]", math.MaxInt64, "00000000"},
		{"BYTES", "[1]", 3, "\x00\x00\x00"},
		{"BYTES", "[1]", 5, "\x02\x00\x00\x00a"},
		{"BYTES", "[1]", 8, "\xff\xff\xff\xffaaaa"},
		{"BYTES", "[2]", 5, "\x01\x00\x00\x00a"},
		{"BYTES", "[1]", 5, "\x01\x00\x00\x00\xff"},
	} {
		body, length := inBinary(one.datatype, one.shape, one.size, one.content)
		if _, _, err := parseRequest(body, length); err == nil {
			t.Errorf("%+v: was taken", one)
		}
	}
}

func TestListsMayBeFlatOrNested(t *testing.T) {
	for _, data := range []string{"[1,2,3,4]", "[[1,2],[3,4]]", " [ [ 1e0 ,2\n],\t[30E-1, 4.0]]"} {
		_, inputs, err := parseRequest([]byte(inputOf(`"datatype":"FP32","shape":[2,2],"data":`+data)), "")
		if err != nil {
			t.Errorf("%s: %v", data, err)
			continue
		}
		if values, _ := predictor.Values[float32](inputs["x"]); !slices.Equal(values, []float32{1, 2, 3, 4}) {
			t.Errorf("%s: found %v", data, values)
		}
	}
}

func TestTextKeepsItsCharacters(t *testing.T) {
	for words, expected := range map[string]string{
		`"a\"b,]"`: `a"b,]`, `"\\"`: `\`, `"größe \ud83d\ude42"`: "größe 🙂", `""`: "",
		`"\ufffd\\ufffd�"`: `�\ufffd�`,
	} {
		_, inputs, err := parseRequest([]byte(inputOf(`"datatype":"BYTES","shape":[1],"data":[`+words+`]`)), "")
		if err != nil || inputs["x"].Strings()[0] != expected {
			t.Errorf("%s: found %v, %v", words, inputs, err)
		}
	}
}

func TestElementsComeBackAsTheyWere(t *testing.T) {
	for _, of := range datatypes {
		if of.kind == text || of.kind == half {
			continue
		}
		// Each byte takes each value once; a float of it may be no number, and a bool is 0 or 1.
		for bits := range 256 {
			memory := bytes.Repeat([]byte{byte(bits)}, of.size)
			if of.kind == boolean {
				memory[0] &= 1
			}
			word, ok := of.appendWord(nil, memory)
			if !ok {
				continue
			}
			back, err := of.appendElement(nil, string(word))
			if err != nil || !bytes.Equal(back, memory) {
				t.Errorf("%s: %x became %s and %x, %v", of.name, memory, word, back, err)
			}
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, one := range refusedRequests {
		f.Add([]byte(one.body), one.length)
	}
	body, length := inBinary("BYTES", "[1]", 5, "\x01\x00\x00\x00a")
	f.Add(body, length)
	f.Add([]byte(inputOf(`"datatype":"FP32","shape":[2,2],"data":[[1,2],[3,4]]`)), "")
	f.Fuzz(func(t *testing.T, body []byte, length string) {
		_, inputs, err := parseRequest(body, length)
		for name, tensor := range inputs {
			if err != nil {
				continue
			}
			count, _ := countOf(tensor.Shape())
			if have := len(tensor.Strings()); tensor.DType() == predictor.String && have != count {
				t.Errorf("%q: %d texts for %d", name, have, count)
			} else if tensor.DType() != predictor.String && len(tensor.Bytes()) != count*datatypeOf(tensor.DType()).size {
				t.Errorf("%q: %d bytes for %d elements of %s", name, len(tensor.Bytes()), count, tensor.DType())
			}
		}
		if err != nil && strings.Contains(err.Error(), "%!") {
			t.Error(err)
		}
	})
}
