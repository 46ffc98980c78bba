// Go's own readers at the end of a pipe: its time package for durations, and yaml.v3, with which viper reads
// settings. `reference duration|yaml` speaks the protocol of parse.rs, but a document is an object.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

func main() {
	readers := map[string]func(string) (any, error){"duration": duration, "yaml": document}
	read := readers[os.Args[1]]
	input, output := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		text, err := input.ReadString(0xff)
		if err != nil {
			return
		}
		answer, err := read(strings.TrimSuffix(text, "\xff"))
		if err != nil {
			answer = nil
		}
		output.Encode(answer)
	}
}

func duration(text string) (any, error) {
	found, err := time.ParseDuration(text)
	return []any{int64(found), found.String()}, err
}

func document(text string) (any, error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var first map[string]any
	if err := decoder.Decode(&first); err != nil && err != io.EOF {
		return nil, err
	}
	if decoder.Decode(new(any)) != io.EOF {
		return nil, errors.New("more than one document")
	}
	entries := map[string]string{}
	return entries, flatten("", first, entries)
}

// flatten notes each scalar as viper's GetString has it, under its path in lower case.
func flatten(prefix string, mapping map[string]any, entries map[string]string) error {
	for key, value := range mapping {
		path := prefix + strings.ToLower(key)
		switch value := value.(type) {
		case nil:
		case string, bool, int:
			entries[path] = fmt.Sprint(value)
		case map[string]any:
			if err := flatten(path+".", value, entries); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s is a %T", path, value)
		}
	}
	return nil
}
