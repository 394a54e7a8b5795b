package predictor

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"example.com/edgebundle/spec"
)

// object is a JSON object; the keys are those of the file it came from.
type object = map[string]any

// table returns a parsed table of the contract.
var table = func() func(string) object {
	var mutex sync.Mutex
	parsed := map[string]object{}
	return func(name string) object {
		mutex.Lock()
		defer mutex.Unlock()
		if _, there := parsed[name]; !there {
			content := object{}
			// The tables are embedded and parsed by every test; an error would leave an empty table.
			_ = json.Unmarshal(spec.Table(name), &content)
			parsed[name] = content
		}
		return parsed[name]
	}
}()

// dig returns what stands in nested objects under some keys; nil where one is missing.
func dig(value any, keys ...string) any {
	for _, key := range keys {
		inside, _ := value.(object)
		value = inside[key]
	}
	return value
}

func digObject(value any, keys ...string) object {
	inside, _ := dig(value, keys...).(object)
	return inside
}

func digText(value any, keys ...string) string {
	text, _ := dig(value, keys...).(string)
	return text
}

// digTexts returns the strings of an array.
func digTexts(value any, keys ...string) []string {
	elements, _ := dig(value, keys...).([]any)
	texts := make([]string, 0, len(elements))
	for _, element := range elements {
		if text, is := element.(string); is {
			texts = append(texts, text)
		}
	}
	return texts
}

const versionNumber = `(0|[1-9][0-9]{0,8})`

var (
	identifierForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	versionForm    = regexp.MustCompile(`^` + versionNumber + `\.` + versionNumber + `\.` + versionNumber + `$`)
	digestForm     = regexp.MustCompile(`^[0-9a-f]{64}$`)
	bitsForm       = regexp.MustCompile(`^[0-9a-f]{8}$`)
)

// formats tells whether a string has a `format` of the schema; `pattern` is left to other validators,
// because `format` says the same and counts bytes.
var formats = map[string]func(string) bool{
	"float32-bits": func(text string) bool { return bitsForm.MatchString(text) && text <= "7f7fffff" },
	"identifier":   identifierForm.MatchString,
	"name":         func(text string) bool { return text != "" && isText(text, 1024) },
	"sha256":       digestForm.MatchString,
	"text":         func(text string) bool { return isText(text, 4096) },
	"version":      versionForm.MatchString,
}

func isText(text string, longest int) bool {
	return len(text) <= longest && !strings.ContainsFunc(text, func(r rune) bool { return r < firstPrintable || r == 0x7f })
}

// checkStructure walks a tree along a part of bundle.schema.json (check M5).
func checkStructure(value tree, schema object, pointer string) error {
	if reference := digText(schema, "$ref"); reference != "" {
		schema = digObject(table("bundle.schema.json"), "$defs", strings.TrimPrefix(reference, "#/$defs/"))
	}
	word := typeWord(value)
	if allowed := typeWords(schema); len(allowed) > 0 && !slices.Contains(allowed, word) {
		return refuse("manifest_field_type", pointer, strings.Join(allowed, " or "), word)
	}
	switch value := value.(type) {
	case object:
		if err := checkBounds(int64(len(value)), schema, "minProperties", "maxProperties", pointer); err != nil {
			return err
		}
		return checkMembers(value, schema, pointer)
	case []any:
		if err := checkBounds(int64(len(value)), schema, "minItems", "maxItems", pointer); err != nil {
			return err
		}
		items := digObject(schema, "items")
		for index, element := range value {
			if err := checkStructure(element, items, step(pointer, strconv.Itoa(index))); err != nil {
				return err
			}
		}
	case string:
		return checkText(value, schema, pointer)
	case int64:
		return checkBounds(value, schema, "minimum", "maximum", pointer)
	}
	return nil
}

func typeWord(value tree) string {
	switch value.(type) {
	case object:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case int64:
		return "integer"
	}
	return "nothing"
}

func typeWords(schema object) []string {
	if word := digText(schema, "type"); word != "" {
		return []string{word}
	}
	return digTexts(schema, "type")
}

func checkMembers(members, schema object, pointer string) error {
	known := digObject(schema, "properties")
	others := schema["additionalProperties"]
	keys := slices.Sorted(maps.Keys(members))
	for _, key := range keys {
		if _, is := known[key]; !is && others == false {
			expected := "one of " + quoted(slices.Sorted(maps.Keys(known))...)
			return refuse("manifest_field_unknown", step(pointer, key), expected, quoted(key))
		}
	}
	required := digTexts(schema, "required")
	slices.Sort(required)
	for _, key := range required {
		if _, there := members[key]; !there {
			return refuse("manifest_field_missing", step(pointer, key), "the key", "nothing")
		}
	}
	for _, key := range keys {
		rule, is := known[key].(object)
		if !is {
			rule, _ = others.(object)
		}
		if err := checkStructure(members[key], rule, step(pointer, key)); err != nil {
			return err
		}
	}
	return nil
}

// checkBounds compares a number or count; bounds are integers that a float64 holds exactly.
func checkBounds(value int64, schema object, least, most, pointer string) error {
	if bound, is := schema[least].(float64); is && value < int64(bound) {
		return refuse("manifest_field_value", pointer, fmt.Sprintf("at least %d", int64(bound)), strconv.FormatInt(value, 10))
	}
	if bound, is := schema[most].(float64); is && value > int64(bound) {
		return refuse("manifest_field_value", pointer, fmt.Sprintf("at most %d", int64(bound)), strconv.FormatInt(value, 10))
	}
	return nil
}

func checkText(text string, schema object, pointer string) error {
	if words := digTexts(schema, "enum"); len(words) > 0 && !slices.Contains(words, text) {
		return refuse("manifest_field_value", pointer, "one of "+quoted(words...), quoted(text))
	}
	format := digText(schema, "format")
	if fits, known := formats[format]; known && !fits(text) {
		return refuse("manifest_field_value", pointer, "the form `"+format+"`", quoted(text))
	}
	return nil
}

// step returns the JSON Pointer one key further in.
func step(pointer, key string) string {
	return pointer + "/" + pointerEscapes.Replace(key)
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")
