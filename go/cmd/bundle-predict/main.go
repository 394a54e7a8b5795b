// Command bundle-predict opens edge bundles and predicts from them: the conformance driver of spec/DRIVER.md,
// the self-test on a device, and a way for a person to try a bundle.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"example.com/edgebundle/go/predictor"
)

const usage = `usage: bundle-predict                                          answer requests from stdin, one JSON object a line
       bundle-predict --describe                               say what this program is
       bundle-predict --self-test BUNDLE [--options JSON]      replay the golden cases of a bundle
       bundle-predict BUNDLE --input FILE [--options JSON]     predict once; FILE is JSON, {NAME: TENSOR or nested lists}
       bundle-predict --update FOLDER ARCHIVE [--options JSON] let a device folder run the bundle of an archive
       bundle-predict --rollback FOLDER                        let it run the bundle before again
`

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program; it returns the exit code.
func run(arguments []string, in io.Reader, out, messages io.Writer) int {
	if len(arguments) == 0 {
		return serve(in, out)
	}
	options, words, err := splitOptions(arguments)
	var result reply
	switch {
	case err != nil:
		result = guarded(func() (reply, error) { return nil, err })
	case len(words) == 1 && words[0] == "--describe":
		say(out, describe())
		return 0
	case len(words) == 1 && (words[0] == "--help" || words[0] == "-h"):
		say(out, usage)
		return 0
	case len(words) == 2 && words[0] == "--self-test":
		result = guarded(func() (reply, error) { return selfTestOnce(words[1], options) })
	case len(words) == 3 && words[0] == "--update":
		result = guarded(func() (reply, error) { return updateOnce(words[1], words[2], options) })
	case len(arguments) == 2 && words[0] == "--rollback":
		result = guarded(func() (reply, error) { return rollbackOnce(words[1]) })
	case len(words) == 3 && words[1] == "--input":
		result = guarded(func() (reply, error) { return predictOnce(words[0], words[2], options) })
	default:
		_, _ = io.WriteString(messages, usage)
		return exitUsage
	}
	say(out, result)
	if result["ok"] == true && result["passed"] != false {
		return 0
	}
	return exitFailed
}

// splitOptions takes `--options JSON` out of the arguments.
func splitOptions(arguments []string) (predictor.Options, []string, error) {
	var words []string
	options := predictor.Options{}
	for index := 0; index < len(arguments); index++ {
		if arguments[index] != "--options" {
			words = append(words, arguments[index])
			continue
		}
		index++
		if index == len(arguments) || decode([]byte(arguments[index]), &options) != nil || options == nil {
			return nil, nil, misused("--options", "a JSON object behind it", "something else")
		}
	}
	return options, words, nil
}

// serve answers requests until the input ends.
func serve(in io.Reader, out io.Writer) int {
	d := newDriver()
	defer d.closeAll()
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			say(out, d.answer(line))
		}
		if err != nil {
			return 0
		}
	}
}

// say writes a text, or a reply as one line, with one call: a reader at the other end of a pipe never sees
// half of one.
func say(out io.Writer, what any) {
	text, is := what.(string)
	if !is {
		var built strings.Builder
		encoder := json.NewEncoder(&built)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(what); err != nil {
			built.Reset()
			fmt.Fprintf(&built, `{"ok":false,"error":{"code":"usage_invalid","subject":".","message":%q}}`+"\n", err)
		}
		text = built.String()
	}
	_, _ = io.WriteString(out, text)
}

// reply is one JSON object of the protocol.
type reply map[string]any

// guarded returns a reply, made of the error where there is one.
func guarded(answer func() (reply, error)) reply {
	result, err := answer()
	if err == nil {
		if result == nil {
			result = reply{}
		}
		result["ok"] = true
		return result
	}
	var refusal *predictor.Error
	if !errors.As(err, &refusal) {
		refusal = misused(".", "a request that can be answered", err.Error())
	}
	return reply{"ok": false, "error": reply{
		"code": refusal.Code, "subject": refusal.Subject, "expected": refusal.Expected, "found": refusal.Found,
		"message": refusal.Error(),
	}}
}

func misused(subject, expected, found string) *predictor.Error {
	return &predictor.Error{Code: "usage_invalid", Subject: subject, Expected: expected, Found: found}
}

func selfTestOnce(path string, options predictor.Options) (reply, error) {
	p, err := predictor.Open(path, options)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	return selfTest(p)
}

func predictOnce(path, file string, options predictor.Options) (reply, error) {
	p, err := predictor.Open(path, options)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, misused(file, "a file that can be read", err.Error())
	}
	inputs, exact, err := readInputs(data, p.Inputs())
	if err != nil {
		return nil, misused(file, "{NAME: TENSOR or nested lists}", err.Error())
	}
	outputs, err := p.Predict(context.Background(), inputs)
	if err != nil {
		return nil, err
	}
	if exact {
		return reply{"outputs": encodeTensors(outputs)}, nil
	}
	return reply{"outputs": nestedTensors(outputs)}, nil
}
