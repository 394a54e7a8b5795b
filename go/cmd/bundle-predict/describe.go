package main

import (
	"encoding/json"
	"slices"

	"example.com/edgebundle/go/predictor"
	"example.com/edgebundle/spec"
)

// describe returns the reply to --describe.
func describe() reply {
	var table struct {
		Errors []struct {
			Code     string   `json:"code"`
			Stage    string   `json:"stage"`
			Runtimes []string `json:"runtimes"`
		} `json:"errors"`
	}
	// The table is embedded; a test reads the codes.
	_ = json.Unmarshal(spec.Table("errors.json"), &table)
	var codes []string
	for _, row := range table.Errors {
		mine := len(row.Runtimes) == 0 || slices.Contains(row.Runtimes, "go")
		if mine && (slices.Contains([]string{"manifest", "open", "library", "predict", "update"}, row.Stage) || row.Code == "usage_invalid") {
			codes = append(codes, row.Code)
		}
	}
	slices.Sort(codes)
	var library any
	if version, err := predictor.LibraryVersion(); err == nil {
		library = version
	}
	return reply{
		"language": "go", "version": predictor.Version(), "format_versions": []int{1}, "onnxruntime": library, "codes": codes,
	}
}
