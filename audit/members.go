package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// eventMembers and actorMembers are the members of the two objects of an event.
var (
	eventMembers = members(reflect.TypeFor[Event]())
	actorMembers = members(reflect.TypeFor[Actor]())
)

// members lists the JSON names of a struct.
func members(t reflect.Type) map[string]bool {
	names := make(map[string]bool, t.NumField())
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}

// checkMembers walks the JSON and refuses what encoding/json accepts: a member given twice (it takes the last), a member in another case,
// null, and anything after the end.
func checkMembers(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	token, err := dec.Token()
	if err != nil || token != json.Delim('{') {
		return fmt.Errorf("%w: not a JSON object", ErrEvent)
	}
	if err := walkObject(dec, eventMembers); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%w: something follows the event", ErrEvent)
	}
	return nil
}

// walkObject reads the members of an object whose opening brace was read, including the closing one.
func walkObject(dec *json.Decoder, known map[string]bool) error {
	seen := make(map[string]bool, len(known))
	for {
		token, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%w: not JSON", ErrEvent)
		}
		name, isName := token.(string)
		if !isName {
			return nil // the closing brace
		}
		if !known[name] {
			return fmt.Errorf("%w: a member that is not known", ErrEvent)
		}
		if seen[name] {
			return fmt.Errorf("%w: %s: given twice", ErrEvent, name)
		}
		seen[name] = true
		if err := walkValue(dec, name); err != nil {
			return err
		}
	}
}

// walkValue reads the value of one member: a text, a number, a list of texts, or the actor.
func walkValue(dec *json.Decoder, name string) error {
	depth := 0
	for {
		token, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%w: not JSON", ErrEvent)
		}
		switch token {
		case nil:
			return fmt.Errorf("%w: %s: null", ErrEvent, name)
		case json.Delim('{'):
			if name != "actor" || depth > 0 {
				return fmt.Errorf("%w: %s: an object", ErrEvent, name)
			}
			return walkObject(dec, actorMembers)
		case json.Delim('['):
			if depth++; depth > 1 {
				return fmt.Errorf("%w: %s: a list in a list", ErrEvent, name)
			}
		case json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
