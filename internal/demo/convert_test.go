//go:build !release

package demo_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// This file made the embedded data, once, from the folder that data/NOTICE.md describes:
//
//	go test ./internal/demo -convert /path/to/data
//
// It changes only this in a resource: white space; urn:uuid and conditional references become Type/id; meta gets versionId and
// lastUpdated; a Patient without a BSN gets one. Everything else stays the same, byte for byte.
var convertFrom = flag.String("convert", "", "make the embedded data from this folder, instead of testing")

func TestMain(m *testing.M) {
	flag.Parse()
	if *convertFrom == "" {
		os.Exit(m.Run())
	}
	if err := convert(*convertFrom); err != nil {
		fmt.Fprintln(os.Stderr, "convert:", err)
		os.Exit(1)
	}
}

const bsnSystem = "http://fhir.nl/fhir/NamingSystem/bsn"

func convert(from string) error {
	synthea := func(file string) ([]json.RawMessage, error) {
		return fromTransaction(filepath.Join(from, "synthea-r4", file))
	}
	for _, c := range []struct {
		to, bsn string
		read    func() ([]json.RawMessage, error)
	}{
		{"karena-pfeffer", "999991346", func() ([]json.RawMessage, error) {
			return synthea("Karena_Pfeffer_1f99a0cb-594b-476a-b9cb-502594c1ee6b.json")
		}},
		{"milan-beatty", "999993008", func() ([]json.RawMessage, error) {
			return synthea("Milan_Beatty_e78d0ed2-1b54-4c30-90ae-f7405af1e402.json")
		}},
		{"gerardo-botello", "999990019", func() ([]json.RawMessage, error) {
			return synthea("Gerardo_Botello_979e317d-076b-42e4-b33c-c323229d2081.json")
		}},
		{"gilberto-orosco", "900029365", func() ([]json.RawMessage, error) {
			return synthea("Gilberto_Orosco_6ece62f3-283c-4387-aa9b-affba8ebf4c3.json")
		}},
		{"denis-schmitt", "999996538", func() ([]json.RawMessage, error) {
			return fromBulk(filepath.Join(from, "synthea-bulk-r4"), "63ee2253-bdd5-da55-2ad2-b4984d0ad700")
		}},
		{"nl-core-patient-01", "", func() ([]json.RawMessage, error) {
			return fromExamples(filepath.Join(from, "nl-core-r4", "json"), "Patient/nl-core-Patient-01")
		}},
	} {
		resources, err := c.read()
		if err != nil {
			return fmt.Errorf("%s: %w", c.to, err)
		}
		var lines bytes.Buffer
		for i, resource := range resources {
			stamped, err := stamp(resource, c.bsn, i)
			if err != nil {
				return fmt.Errorf("%s: %w", c.to, err)
			}
			lines.Write(stamped)
			lines.WriteByte('\n')
		}
		if err := writeGzip(filepath.Join("data", c.to+".ndjson.gz"), lines.Bytes()); err != nil {
			return err
		}
	}
	if err := convertParameters(filepath.Join(from, "fhir-r4", "search-parameters.json")); err != nil {
		return err
	}
	return convertSTU3()
}

// fromTransaction returns the resources of a Synthea transaction Bundle.
func fromTransaction(file string) ([]json.RawMessage, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var bundle struct {
		Entry []struct{ Resource json.RawMessage }
	}
	if err := json.Unmarshal(b, &bundle); err != nil {
		return nil, err
	}
	var resources []json.RawMessage
	target := map[string]string{}
	for _, entry := range bundle.Entry {
		name, err := nameOf(entry.Resource)
		if err != nil {
			return nil, err
		}
		_, id, _ := strings.Cut(name, "/")
		target["urn:uuid:"+id] = name
		resources = append(resources, entry.Resource)
	}
	for i, r := range resources {
		if resources[i], err = retarget(r, func(ref string) string { return target[ref] }); err != nil {
			return nil, err
		}
	}
	return resources, nil
}

// fromBulk returns one patient's resources from a bulk export, with the organizations, locations and professionals that they refer to.
func fromBulk(folder, patient string) ([]json.RawMessage, error) {
	all, err := readAll(folder, "*.ndjson")
	if err != nil {
		return nil, err
	}
	conditional := map[string]string{}
	for _, r := range all {
		name, err := nameOf(r)
		if err != nil {
			return nil, err
		}
		var identified struct {
			Identifier json.RawMessage
		}
		if err := json.Unmarshal(r, &identified); err != nil {
			return nil, err
		}
		var identifiers []struct{ System, Value string }
		if json.Unmarshal(identified.Identifier, &identifiers) != nil {
			continue // a single identifier, as in a Bundle: nothing refers to it
		}
		typ, _, _ := strings.Cut(name, "/")
		for _, identifier := range identifiers {
			conditional[typ+"?identifier="+identifier.System+"|"+identifier.Value] = name
		}
	}
	for i, r := range all {
		if all[i], err = retarget(r, func(ref string) string { return conditional[ref] }); err != nil {
			return nil, err
		}
	}
	return around(all, "Patient/"+patient)
}

// fromExamples returns the examples of one patient from a folder with one resource per file.
func fromExamples(folder, patient string) ([]json.RawMessage, error) {
	all, err := readAll(folder, "*.json")
	if err != nil {
		return nil, err
	}
	return around(all, patient)
}

var referenceMember = regexp.MustCompile(`"reference":"([^"]+)"`)

// around returns the patient, what refers to the patient, and whatever exists that these refer to and that names no other patient.
func around(all []json.RawMessage, patient string) ([]json.RawMessage, error) {
	byName := map[string]json.RawMessage{}
	var order []string
	for _, r := range all {
		name, err := nameOf(r)
		if err != nil {
			return nil, err
		}
		byName[name] = r
		order = append(order, name)
	}
	if byName[patient] == nil {
		return nil, errors.New("patient is not there")
	}
	refs := func(name string) (found []string) {
		for _, m := range referenceMember.FindAllSubmatch(byName[name], -1) {
			found = append(found, string(m[1]))
		}
		return found
	}
	foreign := func(name string) bool {
		return slices.ContainsFunc(refs(name), func(r string) bool { return strings.HasPrefix(r, "Patient/") && r != patient })
	}
	kept := map[string]bool{patient: true}
	var keep func(name string)
	keep = func(name string) {
		if byName[name] == nil || kept[name] || foreign(name) || strings.HasPrefix(name, "Patient/") {
			return
		}
		kept[name] = true
		for _, r := range refs(name) {
			keep(r)
		}
	}
	for _, name := range order {
		if slices.Contains(refs(name), patient) {
			keep(name)
		}
	}
	for _, r := range refs(patient) {
		keep(r)
	}
	var resources []json.RawMessage
	for _, name := range order {
		if kept[name] {
			resources = append(resources, byName[name])
		}
	}
	return resources, nil
}

// readAll reads and compacts the resources of all files that match, in the order of their names.
func readAll(folder, pattern string) ([]json.RawMessage, error) {
	files, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil {
		return nil, err
	}
	var all []json.RawMessage
	for _, file := range files {
		f, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for dec := json.NewDecoder(bytes.NewReader(f)); dec.More(); {
			var r json.RawMessage
			if err := dec.Decode(&r); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, r); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, compact.Bytes())
		}
	}
	return all, nil
}

func nameOf(r json.RawMessage) (string, error) {
	var head struct{ ResourceType, ID string }
	if err := json.Unmarshal(r, &head); err != nil {
		return "", err
	}
	return head.ResourceType + "/" + head.ID, nil
}

// retarget compacts a resource and rewrites the references that target resolves.
func retarget(r json.RawMessage, target func(string) string) (json.RawMessage, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, r); err != nil {
		return nil, err
	}
	return referenceMember.ReplaceAllFunc(compact.Bytes(), func(member []byte) []byte {
		ref := string(referenceMember.FindSubmatch(member)[1])
		if to := target(ref); to != "" {
			return []byte(`"reference":"` + to + `"`)
		}
		return member
	}), nil
}

// stamp gives a compacted resource its version, and this BSN if it is a Patient without one.
func stamp(r json.RawMessage, bsn string, n int) ([]byte, error) {
	name, err := nameOf(r)
	if err != nil {
		return nil, err
	}
	typ, id, _ := strings.Cut(name, "/")
	head := `{"resourceType":"` + typ + `","id":"` + id + `",`
	if !strings.HasPrefix(string(r), head) {
		return nil, fmt.Errorf("%s does not start with type and id", name)
	}
	at := time.Date(2026, 10, 1, 6, 0, n, 0, time.UTC).Format("2006-01-02T15:04:05.000Z")
	version := `"versionId":"1","lastUpdated":"` + at + `"`
	if meta, ok := memberOffset(r, "meta"); ok { // Synthea writes it last
		r = insert(r, meta+1, version+",")
	} else {
		r = insert(r, len(head), `"meta":{`+version+`},`)
	}
	if typ != "Patient" || bsn == "" {
		return r, nil
	}
	identifiers, ok := memberOffset(r, "identifier")
	if !ok {
		return nil, fmt.Errorf("%s has no identifiers", name)
	}
	return insert(r, identifiers+1, `{"system":"`+bsnSystem+`","value":"`+bsn+`"},`), nil
}

// memberOffset returns the offset at which the value of a top-level member starts.
func memberOffset(r json.RawMessage, member string) (int, bool) {
	dec := json.NewDecoder(bytes.NewReader(r))
	if _, err := dec.Token(); err != nil {
		return 0, false
	}
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return 0, false
		}
		if name == member {
			return int(dec.InputOffset()) - len(value), true
		}
	}
	return 0, false
}

func insert(r json.RawMessage, at int, text string) json.RawMessage {
	return slices.Concat(r[:at], json.RawMessage(text), r[at:])
}

func readGzipFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func writeGzip(file string, content []byte) error {
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	fmt.Printf("%s: %d resources or parameters, %d bytes, %d compressed\n", file, bytes.Count(content, []byte("\n")), len(content), compressed.Len())
	return os.WriteFile(file, compressed.Bytes(), 0o644)
}

// convertParameters makes a table of the standard search parameters: type, code, kind of value, element paths. Of the FHIRPath
// expressions only plain paths are kept, with choice types and "where(resolve() is X)", which is written as "path:X".
func convertParameters(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var bundle struct {
		Entry []struct {
			Resource struct {
				Code, Type, Expression string
				Base                   []string
			}
		}
	}
	if err := json.Unmarshal(b, &bundle); err != nil {
		return err
	}
	var lines []string
	for _, entry := range bundle.Entry {
		p := entry.Resource
		for _, base := range p.Base {
			if paths := plainPaths(p.Expression, base); len(paths) > 0 && p.Type != "composite" && p.Type != "special" {
				lines = append(lines, strings.Join([]string{base, p.Code, p.Type, strings.Join(paths, " ")}, "\t"))
			}
		}
	}
	slices.Sort(lines)
	return writeGzip(filepath.Join("data", "search-parameters.tsv.gz"), []byte(strings.Join(slices.Compact(lines), "\n")+"\n"))
}

var (
	asFunction   = regexp.MustCompile(`\.as\(\w+\)`)
	asOperator   = regexp.MustCompile(` as \w+`)
	resolveIs    = regexp.MustCompile(`\.where\(resolve\(\) is (\w+)\)`)
	plainElement = regexp.MustCompile(`^[A-Za-z]+(\.[A-Za-z]+)+(:[A-Za-z]+)?$`)
)

func plainPaths(expression, base string) []string {
	paths := map[string]bool{}
	for part := range strings.SplitSeq(expression, "|") {
		part = resolveIs.ReplaceAllString(strings.TrimSpace(part), ":$1")
		part = asOperator.ReplaceAllString(asFunction.ReplaceAllString(part, ""), "")
		part = strings.TrimSuffix(strings.TrimPrefix(part, "("), ")")
		if path, ok := strings.CutPrefix(part, base+"."); ok && plainElement.MatchString(part) {
			paths[path] = true
		}
	}
	return slices.Sorted(maps.Keys(paths))
}
