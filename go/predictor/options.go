package predictor

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Options are the options of Open by their names in FORMAT.md section 5 and spec/session.json, for example
// Options{"format": "ort", "intra_op_threads": 2}. Values are bool, string, an integer, a list ([]string or
// []any) or an object (map[string]string or map[string]any); what encoding/json decodes fits too, with or
// without UseNumber. A nil map means none.
type Options map[string]any

const (
	optionDigest = "digest"
	optionMode   = "mode"
	cpuProvider  = "CPUExecutionProvider"
)

// choices are options that passed check P1; session settings stay as the caller gave them.
type choices struct {
	variant, format, library string
	strict                   bool
	allowForeign             bool
	allowTelemetry           bool
	trustLibrary             bool
	finite                   map[string]bool
	config                   map[string]string
	providers                []provider
	session                  map[string]any
}

func invalidOption(name, expected, found string) error {
	return refuse("option_invalid", name, expected, found)
}

func sortedNames[V any](values map[string]V) []string {
	return slices.Sorted(maps.Keys(values))
}

// openingOptions judges digest and mode, which come before all other checks.
func openingOptions(options Options) (digest string, quick bool, err error) {
	if value, given := options[optionDigest]; given {
		text, is := value.(string)
		if !is || !digestForm.MatchString(text) {
			return "", false, invalidOption(optionDigest, "64 lower-case hex digits", fmt.Sprint(value))
		}
		digest = text
	}
	if value, given := options[optionMode]; given {
		word, err := wordOption(optionMode, value, []string{"full", "quick"})
		if err != nil {
			return "", false, err
		}
		quick = word == "quick"
	}
	return digest, quick, nil
}

// resolveOptions is check P1.
func resolveOptions(options Options, manifest *Manifest) (*choices, error) {
	c := &choices{session: map[string]any{}, providers: []provider{{name: cpuProvider}}}
	settings := digObject(table("session.json"), "options")
	for _, name := range sortedNames(options) {
		var err error
		if row, is := settings[name].(object); is {
			c.session[name], err = settingOption(name, options[name], row)
		} else {
			err = c.read(name, options[name], manifest)
		}
		if err != nil {
			return nil, err
		}
	}
	if c.session["mapped"] == true && c.format == "onnx" {
		return nil, invalidOption("mapped", "format `ort`, the only one that can be mapped", "format `onnx`")
	}
	return c, nil
}

// read takes one option that is no session setting.
func (c *choices) read(name string, value any, manifest *Manifest) (err error) {
	switch name {
	case optionDigest, optionMode:
	case "allow_foreign_target":
		c.allowForeign, err = flagOption(name, value)
	case "allow_telemetry":
		c.allowTelemetry, err = flagOption(name, value)
	case "trust_bundle_library":
		c.trustLibrary, err = flagOption(name, value)
	case "config":
		c.config, err = configOption(value)
	case "finite":
		c.finite, err = finiteOption(value, manifest)
	case "format":
		c.format, err = wordOption(name, value, []string{"onnx", "ort"})
	case "library":
		c.library, err = textOption(name, value)
	case "provider_policy":
		var word string
		word, err = wordOption(name, value, []string{"fallback", "strict"})
		c.strict = word == "strict"
	case "providers":
		c.providers, err = providersOption(value)
	case "variant":
		c.variant, err = textOption(name, value)
	default:
		err = invalidOption(name, "an option of the format", "no such option")
	}
	return err
}

// settings returns every setting of spec/session.json: the caller's, else the manifest's, else the table's.
// The threads that the builder found best for a variant are closer to it than the bundle's session.
func (c *choices) settings(manifest *Manifest, variant *Variant) map[string]any {
	merged := map[string]any{}
	for name, row := range digObject(table("session.json"), "options") {
		merged[name] = dig(row, "default")
		if count, is := merged[name].(float64); is {
			merged[name] = int64(count)
		}
	}
	maps.Copy(merged, digObject(manifest.Tree, "session"))
	if variant.Threads > 0 {
		merged["intra_op_threads"] = int64(variant.Threads)
	}
	maps.Copy(merged, c.session)
	return merged
}

func settingOption(name string, value any, row object) (any, error) {
	switch digText(row, "type") {
	case "boolean":
		return flagOption(name, value)
	case "string":
		return wordOption(name, value, digTexts(row, "enum"))
	}
	least, _ := row["minimum"].(float64)
	most, _ := row["maximum"].(float64)
	count, is := integerOf(value)
	if !is || count < int64(least) || count > int64(most) {
		return nil, invalidOption(name, fmt.Sprintf("an integer from %d to %d", int64(least), int64(most)), fmt.Sprint(value))
	}
	return count, nil
}

func flagOption(name string, value any) (bool, error) {
	flag, is := value.(bool)
	if !is {
		return false, invalidOption(name, "true or false", fmt.Sprint(value))
	}
	return flag, nil
}

func textOption(name string, value any) (string, error) {
	text, is := value.(string)
	if !is {
		return "", invalidOption(name, "text", fmt.Sprint(value))
	}
	return text, nil
}

func wordOption(name string, value any, words []string) (string, error) {
	word, is := value.(string)
	if !is || !slices.Contains(words, word) {
		return "", invalidOption(name, "one of "+quoted(words...), fmt.Sprint(value))
	}
	return word, nil
}

// integerOf takes every integer type of Go and the integers of encoding/json.
func integerOf(value any) (int64, bool) {
	switch value := value.(type) {
	case json.Number:
		count, err := strconv.ParseInt(value.String(), 10, 64)
		return count, err == nil
	case float64:
		return int64(value), value == math.Trunc(value) && math.Abs(value) <= maxInteger
	}
	switch number := reflect.ValueOf(value); {
	case number.IsValid() && number.CanInt():
		return number.Int(), true
	case number.IsValid() && number.CanUint():
		return int64(number.Uint()), number.Uint() <= math.MaxInt64
	}
	return 0, false
}

func configOption(value any) (map[string]string, error) {
	entries, is := asObject(value)
	if !is {
		return nil, invalidOption("config", "an object of text", fmt.Sprint(value))
	}
	allowed := digTexts(table("session.json"), "config_allow_list")
	config := map[string]string{}
	for _, key := range sortedNames(entries) {
		text, is := entries[key].(string)
		if !slices.Contains(allowed, key) {
			return nil, invalidOption(key, "one of "+quoted(allowed...), "a key that is not on this list")
		}
		if !is || strings.ContainsRune(text, 0) {
			return nil, invalidOption(key, "text", fmt.Sprint(entries[key]))
		}
		config[key] = text
	}
	return config, nil
}

func finiteOption(value any, manifest *Manifest) (map[string]bool, error) {
	names, is := asList(value)
	finite := map[string]bool{}
	for _, name := range names {
		text, isText := name.(string)
		known := slices.ContainsFunc(manifest.Inputs, func(port Port) bool { return port.Name == text })
		is = is && isText && known
		finite[text] = true
	}
	if !is {
		return nil, invalidOption("finite", "a list of names of inputs", fmt.Sprint(value))
	}
	return finite, nil
}

func asObject(value any) (map[string]any, bool) {
	if texts, is := value.(map[string]string); is {
		entries := make(map[string]any, len(texts))
		for key, text := range texts {
			entries[key] = text
		}
		return entries, true
	}
	entries, is := value.(map[string]any)
	return entries, is
}

func asList(value any) ([]any, bool) {
	if texts, is := value.([]string); is {
		elements := make([]any, len(texts))
		for index, text := range texts {
			elements[index] = text
		}
		return elements, true
	}
	elements, is := value.([]any)
	return elements, is
}
