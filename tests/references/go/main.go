// Go's own readers at the end of a pipe: its time package for durations, and yaml.v3, which viper reads
// settings with, for YAML. `reference duration|yaml` speaks the protocol of parse.rs: a text's length in
// bytes on a line and then the text in, one line of JSON out.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

func main() {
	readers := map[string]func(string) (any, error){"duration": duration, "yaml": document}
	read := readers[os.Args[1]]
	input, output := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var length int
		if _, err := fmt.Fscanf(input, "%d\n", &length); err == io.EOF {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		text := make([]byte, length)
		if _, err := io.ReadFull(input, text); err != nil {
			log.Fatal(err)
		}
		answer, err := read(string(text))
		if err != nil {
			answer = map[string]any{"reason": err.Error()}
		}
		output.Encode(answer)
	}
}

func duration(text string) (any, error) {
	found, err := time.ParseDuration(text)
	return map[string]any{"nanoseconds": int64(found), "text": found.String()}, err
}

func document(text string) (any, error) {
	entries := map[string]string{}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var first map[string]any
	switch err := decoder.Decode(&first); {
	case err == io.EOF:
		return map[string]any{"entries": entries}, nil
	case err != nil:
		return nil, err
	}
	if err := decoder.Decode(new(any)); err != io.EOF {
		return nil, errors.New("more than one document")
	}
	err := flatten("", first, entries)
	return map[string]any{"entries": entries}, err
}

// flatten notes each scalar as viper's GetString has it, under its path in lower case.
func flatten(prefix string, mapping map[string]any, entries map[string]string) error {
	for key, value := range mapping {
		path := prefix + strings.ToLower(key)
		switch value := value.(type) {
		case nil:
		case string:
			entries[path] = value
		case bool:
			entries[path] = strconv.FormatBool(value)
		case int:
			entries[path] = strconv.Itoa(value)
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
