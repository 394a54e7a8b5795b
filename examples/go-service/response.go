package main

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strconv"

	"example.com/edgebundle/go/predictor"
)

// inferResponse is the answer to an inference request.
type inferResponse struct {
	ModelName    string           `json:"model_name"`
	ModelVersion string           `json:"model_version"`
	ID           string           `json:"id,omitempty"`
	Outputs      []responseOutput `json:"outputs"`
}

type responseOutput struct {
	Name       string          `json:"name"`
	Datatype   string          `json:"datatype"`
	Shape      []int64         `json:"shape"`
	Parameters *binaryData     `json:"parameters,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
}

type binaryData struct {
	Size int `json:"binary_data_size"`
}

// wantedOutputs returns the outputs that a request asks for, all where it names none. The error is *predictor.Error
// of the code output_unknown.
func wantedOutputs(request *inferRequest, ports []predictor.Port) ([]requestOutput, error) {
	known := map[string]bool{}
	var all []requestOutput
	for _, port := range ports {
		known[port.Name] = true
		all = append(all, requestOutput{Name: port.Name})
	}
	for _, output := range request.Outputs {
		if !known[output.Name] {
			return nil, &predictor.Error{
				Code: codeOutputUnknown, Subject: output.Name, Expected: "an output of the model", Found: "another name",
			}
		}
	}
	if len(request.Outputs) > 0 {
		return request.Outputs, nil
	}
	return all, nil
}

// buildResponse returns the answer and the binary tensors that follow its JSON. The error is a *fault.
func buildResponse(held *model, request *inferRequest, wanted []requestOutput, outputs tensors) (*inferResponse, []byte, error) {
	response := &inferResponse{ModelName: held.name(), ModelVersion: held.version(), ID: request.ID}
	var binaries []byte
	for _, output := range wanted {
		tensor := outputs[output.Name]
		of := datatypeOf(tensor.DType())
		row := responseOutput{Name: output.Name, Datatype: of.name, Shape: append([]int64{}, tensor.Shape()...)}
		inBinary := request.Parameters.BinaryDataOutput
		if output.Parameters.BinaryData != nil {
			inBinary = *output.Parameters.BinaryData
		}
		if inBinary {
			before := len(binaries)
			binaries = appendBinary(binaries, tensor)
			row.Parameters = &binaryData{len(binaries) - before}
		} else {
			var err error
			if row.Data, err = elementsOf(of, tensor); err != nil {
				return nil, nil, badRequest("output `%.80s`: %v", output.Name, err)
			}
		}
		response.Outputs = append(response.Outputs, row)
	}
	return response, binaries, nil
}

func appendBinary(binaries []byte, tensor predictor.Tensor) []byte {
	if tensor.DType() != predictor.String {
		return append(binaries, tensor.Bytes()...)
	}
	for _, one := range tensor.Strings() {
		binaries = append(binary.LittleEndian.AppendUint32(binaries, uint32(len(one))), one...)
	}
	return binaries
}

// elementsOf returns a flat list.
func elementsOf(of datatype, tensor predictor.Tensor) (json.RawMessage, error) {
	switch of.kind {
	case text:
		return json.Marshal(append([]string{}, tensor.Strings()...))
	case half:
		return nil, badRequest("FP16 travels in binary only: ask for binary_data")
	}
	words := []byte{'['}
	for memory := tensor.Bytes(); len(memory) > 0; memory = memory[of.size:] {
		if len(words) > 1 {
			words = append(words, ',')
		}
		var ok bool
		if words, ok = of.appendWord(words, memory); !ok {
			return nil, badRequest("it holds NaN or an infinity, which JSON cannot: ask for binary_data")
		}
	}
	return append(words, ']'), nil
}

// write sends the answer.
func (r *inferResponse) write(w http.ResponseWriter, binaries []byte) {
	if binaries == nil {
		writeJSON(w, http.StatusOK, r)
		return
	}
	head, err := json.Marshal(r)
	if err != nil {
		writeFault(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(head)+len(binaries)))
	w.Header().Set(headerLength, strconv.Itoa(len(head)))
	// A caller that has left gets nothing.
	_, _ = w.Write(head)
	_, _ = w.Write(binaries)
}
