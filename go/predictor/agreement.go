package predictor

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// checkReferences is check M13.
func checkReferences(top object) error {
	files, inputs, outputs := texts(top, "files", "path"), texts(top, "inputs", "name"), texts(top, "outputs", "name")
	var fault error
	refer := func(subject, name string, known []string) {
		if fault == nil {
			fault = listed("reference_unknown", subject, name, known)
		}
	}
	if symbol := digText(top, "batch", "symbol"); symbol != "" {
		refer("/batch/symbol", symbol, inputSymbols(top))
	}
	refer("/default_variant", digText(top, "default_variant"), texts(top, "variants", "name"))
	for index, path := range texts(top, "golden", "path") {
		refer(fmt.Sprintf("/golden/%d/path", index), path, files)
	}
	if library, there := digObject(top, "runtime")["library"].(string); there {
		refer("/runtime/library", library, files)
	}
	for index, name := range texts(top, "states", "input") {
		refer(fmt.Sprintf("/states/%d/input", index), name, inputs)
	}
	for index, name := range texts(top, "states", "output") {
		refer(fmt.Sprintf("/states/%d/output", index), name, outputs)
	}
	for index, name := range texts(top, "tasks", "output") {
		refer(fmt.Sprintf("/tasks/%d/output", index), name, outputs)
	}
	for index, variant := range entries(top, "variants") {
		forms := digObject(variant, "files")
		for _, form := range slices.Sorted(maps.Keys(forms)) {
			refer(fmt.Sprintf("/variants/%d/files/%s", index, form), digText(forms, form), files)
		}
	}
	return fault
}

// texts returns one field of every entry of a list.
func texts(top object, section, key string) []string {
	rows := entries(top, section)
	values := make([]string, 0, len(rows))
	for _, row := range rows {
		values = append(values, digText(row, key))
	}
	return values
}

func inputSymbols(top object) []string {
	var symbols []string
	for _, entry := range entries(top, "inputs") {
		symbols = append(symbols, digTexts(entry, "shape")...)
	}
	return symbols
}

// checkAgreement is check M14.
func checkAgreement(top object) error {
	if err := checkBatchSize(top); err != nil {
		return err
	}
	for index, path := range texts(top, "golden", "path") {
		if err := located(fmt.Sprintf("/golden/%d/path", index), path, "golden", "safetensors"); err != nil {
			return err
		}
	}
	if library, there := digObject(top, "runtime")["library"].(string); there {
		if err := located("/runtime/library", library, "lib", ""); err != nil {
			return err
		}
	}
	sizes := map[string]int64{}
	for _, entry := range entries(top, "files") {
		sizes[digText(entry, "path")] = number(entry, "size")
	}
	for index, variant := range entries(top, "variants") {
		if err := checkVariant(top, variant, fmt.Sprintf("/variants/%d", index), sizes); err != nil {
			return err
		}
	}
	return nil
}

func checkBatchSize(top object) error {
	size, there := digObject(top, "batch")["size"].(int64)
	if !there {
		return nil
	}
	for _, section := range []string{"inputs", "outputs"} {
		for _, entry := range entries(top, section) {
			shape := buildPort(entry).Shape
			if len(shape) == 0 || shape[0] != (Dim{Size: size}) {
				return inconsistent("/batch/size", "the first size of every input and output", strconv.FormatInt(size, 10))
			}
		}
	}
	return nil
}

func checkVariant(top, variant object, subject string, sizes map[string]int64) error {
	forms := digObject(variant, "files")
	names := slices.Sorted(maps.Keys(forms))
	var total int64
	for _, form := range names {
		total += sizes[digText(forms, form)]
	}
	if bytes := number(variant, "bytes"); bytes != total {
		return inconsistent(subject+"/bytes", fmt.Sprintf("%d, the sum of its files", total), strconv.FormatInt(bytes, 10))
	}
	allowed := digTexts(table("targets.json"), "targets", digText(top, "target", "arch"), "formats")
	for _, form := range names {
		if err := located(subject+"/files/"+form, digText(forms, form), "models", form); err != nil {
			return err
		}
		if !slices.Contains(allowed, form) {
			return inconsistent(subject+"/files/"+form, "only "+quoted(allowed...)+" for this target", form)
		}
	}
	return checkTolerances(top, variant, subject)
}

func checkTolerances(top, variant object, subject string) error {
	rows, outputs := entries(variant, "tolerances"), entries(top, "outputs")
	if len(rows) != len(outputs) {
		return inconsistent(subject+"/tolerances", fmt.Sprintf("%d, one per output", len(outputs)), strconv.Itoa(len(rows)))
	}
	for index, row := range rows {
		wanted := append(digTexts(table("tolerances.json"), "words", digText(row, "word"), "parameters"), "word")
		slices.Sort(wanted)
		if found := slices.Sorted(maps.Keys(row)); !slices.Equal(found, wanted) {
			return inconsistent(fmt.Sprintf("%s/tolerances/%d", subject, index), quoted(wanted...), quoted(found...))
		}
	}
	return nil
}

// located refuses a path that is not in its folder or, where an ending is due, has another one.
func located(subject, path, folder, ending string) error {
	if strings.HasPrefix(path, folder+"/") && (ending == "" || strings.HasSuffix(path, "."+ending)) {
		return nil
	}
	return inconsistent(subject, strings.TrimSuffix(folder+"/... ."+ending, " ."), quoted(path))
}

func inconsistent(subject, expected, found string) error {
	return refuse("manifest_inconsistent", subject, expected, found)
}
