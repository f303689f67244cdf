package consent

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// maxRecord bounds the JSON form of one record, in bytes.
const maxRecord = 64 << 10

// FieldError says which field of a record is wrong, and why. It never contains the field's value. Field is a path such as "party.category";
// it is empty if the whole document is wrong, or a name is not in our alphabet.
type FieldError struct {
	Field  string
	Reason string
}

// Error implements error.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return "consent record: " + e.Reason
	}
	return "consent record: " + e.Field + ": " + e.Reason
}

// ParseRecord reads one record in the form of the specification. It is strict: unknown or repeated members, values of the wrong type, null,
// and anything after the end are errors, all reported at once, each a *FieldError. The contents are not judged here but by
// Catalogue.CheckWrite.
func ParseRecord(b []byte) (Record, error) {
	if len(b) > maxRecord {
		return Record{}, &FieldError{Reason: "is too long"}
	}
	if !utf8.Valid(b) {
		return Record{}, &FieldError{Reason: "is not UTF-8"}
	}
	r := Record{Data: []string{}, Purposes: []string{}, GivenBy: []string{}} // so that absent lists are written as []
	if err := parseObject("", b, recordFields(&r)); err != nil {
		return Record{}, err
	}
	return r, nil
}

// field reads the JSON value of one member.
type field func(path string, b []byte) error

// recordFields are the members that a record may have, and their destinations.
func recordFields(r *Record) map[string]field {
	return map[string]field{
		"id":                  scalar(&r.ID),
		"status":              scalar(&r.Status),
		"decision":            scalar(&r.Decision),
		"emergency_exception": scalar(&r.EmergencyException),
		"holder":              side(&r.Holder),
		"party":               side(&r.Party),
		"party_name":          scalar(&r.PartyName),
		"data":                list(&r.Data),
		"channel":             scalar(&r.Channel),
		"purposes":            list(&r.Purposes),
		"valid_from":          scalar(&r.ValidFrom),
		"valid_to":            scalar(&r.ValidTo),
		"recorded_at":         scalar(&r.RecordedAt),
		"given_by":            list(&r.GivenBy),
		"posthumous":          scalar(&r.Posthumous),
		"withdrawn_at":        scalar(&r.WithdrawnAt),
		"withdrawn_by":        list(&r.WithdrawnBy),
		"recorded_by":         scalar(&r.RecordedBy),
		"method":              scalar(&r.Method),
		"information":         information(&r.Information),
	}
}

func side(s *Side) field {
	return object(map[string]field{
		"category":     scalar(&s.Category),
		"organization": scalar(&s.Organization),
		"practitioner": scalar(&s.Practitioner),
		"person":       scalar(&s.Person),
	})
}

func information(i *Information) field {
	return object(map[string]field{
		"id":       scalar(&i.ID),
		"version":  scalar(&i.Version),
		"language": scalar(&i.Language),
		"sha256":   scalar(&i.SHA256),
	})
}

func object(fields map[string]field) field {
	return func(path string, b []byte) error { return parseObject(path+".", b, fields) }
}

// scalar reads a string, a boolean or a time. The error of encoding/json is dropped: it may contain the value.
func scalar(into any) field {
	return func(path string, b []byte) error {
		if string(b) == "null" || json.Unmarshal(b, into) != nil {
			return &FieldError{path, "has a value of the wrong form"}
		}
		return nil
	}
}

// list reads an array of strings.
func list(into *[]string) field {
	return func(path string, b []byte) error {
		var items []*string // so that null is detected
		if string(b) == "null" || json.Unmarshal(b, &items) != nil {
			return &FieldError{path, "is not a list of strings"}
		}
		*into = make([]string, 0, len(items))
		for _, item := range items {
			if item == nil {
				return &FieldError{path, "is not a list of strings"}
			}
			*into = append(*into, *item)
		}
		return nil
	}
}

// parseObject reads one JSON object and nothing after it. encoding/json alone would take the last of two equal members, and names that
// differ only in case.
func parseObject(prefix string, b []byte, fields map[string]field) error {
	path := strings.TrimSuffix(prefix, ".")
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return &FieldError{path, "is not a JSON object"}
	}
	var problems []error
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, isName := t.(string)
		var value json.RawMessage
		if err != nil || !isName || d.Decode(&value) != nil {
			return &FieldError{path, "is not a JSON object"}
		}
		read, known := fields[name]
		switch {
		case !known:
			problems = append(problems, &FieldError{prefix + safeName(name), "is not a member of a consent record"})
		case seen[name]:
			problems = append(problems, &FieldError{prefix + name, "is there twice"})
		default:
			problems = append(problems, read(prefix+name, value))
		}
		seen[name] = true
	}
	if _, err := d.Token(); err != nil || len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		return &FieldError{path, "is not a JSON object"}
	}
	return errors.Join(problems...)
}

// safeName returns a member's name if it looks like one; otherwise it may be a value in the wrong place.
func safeName(name string) string {
	other := func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }
	if len(name) > 32 || strings.ContainsFunc(name, other) {
		return "(a name that is not shown)"
	}
	return name
}
