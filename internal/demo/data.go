//go:build !release

package demo

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"zorgsluis/fhir"
)

// embedded has the records of the demo; data/NOTICE.md says where they come from.
//
//go:embed data/*.gz data/stu3/*.gz
var embedded embed.FS

// Resource is one stored resource; its bytes are served unchanged.
type Resource = json.RawMessage

// Data is the content of a Source.
type Data []Resource

// Load returns the records of [People]: five Synthea patients and the Dutch nl-core example.
func Load() (Data, error) { return load("data/*.ndjson.gz") }

// LoadSTU3 returns the records of [PeopleSTU3] as STU3, converted from R4, since the data have no STU3 records.
func LoadSTU3() (Data, error) { return load("data/stu3/*.ndjson.gz") }

func load(pattern string) (Data, error) {
	files, err := fs.Glob(embedded, pattern)
	if err != nil {
		return nil, fmt.Errorf("load demo data: %w", err)
	}
	var data Data
	for _, file := range files {
		lines, err := readGzip(file)
		if err != nil {
			return nil, fmt.Errorf("load demo data: %w", err)
		}
		for line := range bytes.Lines(lines) {
			data = append(data, bytes.TrimSuffix(line, []byte("\n")))
		}
	}
	return data, nil
}

func readGzip(file string) ([]byte, error) {
	f, err := embedded.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var content bytes.Buffer
	if _, err := content.ReadFrom(r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return content.Bytes(), nil
}

// The sizes of synthetic resources, in bytes: a read of 2 kB, a searchset of 100 kB for 50 observations.
const (
	syntheticPatientSize     = 2000
	syntheticObservationSize = 1900
)

// LoadSynthetic makes patients with observations (laboratory, so one data category) for tests and benchmarks; always the same ones.
// A Patient has 2 kB; a searchset of 50 Observations has 100 kB.
func LoadSynthetic(patients, observations int) Data {
	data := make(Data, 0, patients*(1+observations))
	for n := range patients {
		p := SyntheticPerson(n)
		data = append(data, syntheticPatient(p, n))
		for m := range observations {
			data = append(data, syntheticObservation(p, m))
		}
	}
	return data
}

// SyntheticPerson is the person of the n-th patient of LoadSynthetic. Its number passes the eleven-test.
func SyntheticPerson(n int) Person {
	return Person{
		Name:      "Synthetic " + strconv.Itoa(n),
		BSN:       syntheticBSN(n),
		PatientID: fhir.ID("synthetic-" + strconv.Itoa(n)),
		Story:     "made up for tests",
	}
}

// syntheticBSN returns a different number that passes the eleven-test for each n below two million. Of two numbers that differ by one in
// the eighth digit, at most one has no check digit.
func syntheticBSN(n int) string {
	base := strconv.Itoa(95000000 + 2*n)
	check := checkDigit(base)
	if check == 10 {
		base = strconv.Itoa(95000000 + 2*n + 1)
		check = checkDigit(base)
	}
	return base + strconv.Itoa(check)
}

// checkDigit returns the digit that makes the weighted sum of the eleven-test zero for eight digits; 10 if none does.
func checkDigit(digits string) int {
	sum := 0
	for i, digit := range digits {
		sum += (9 - i) * int(digit-'0')
	}
	return sum % 11
}

func syntheticPatient(p Person, n int) Resource {
	const form = `{"resourceType":"Patient","id":"%s","meta":{"versionId":"1","lastUpdated":"2026-10-01T06:00:00.000Z"},` +
		`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">%s</div>"},` +
		`"identifier":[{"system":"%s","value":"%s"}],"active":true,"name":[{"use":"official","family":"%s"}],` +
		`"gender":"unknown","birthDate":"%04d-06-15"}`
	return padded(syntheticPatientSize, func(filler string) string {
		return fmt.Sprintf(form, p.PatientID, filler, SystemBSN, p.BSN, p.Name, 1940+n%60)
	})
}

func syntheticObservation(p Person, m int) Resource {
	const form = `{"resourceType":"Observation","id":"%s-%d","meta":{"versionId":"1","lastUpdated":"2026-10-01T06:00:00.000Z"},` +
		`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">%s</div>"},"status":"final",` +
		`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],` +
		`"code":{"coding":[{"system":"http://loinc.org","code":"718-7","display":"Hemoglobin [Mass/volume] in Blood"}]},` +
		`"subject":{"reference":"Patient/%s"},"effectiveDateTime":"2026-%02d-%02dT08:30:00+02:00",` +
		`"valueQuantity":{"value":%d.%d0,"unit":"g/dL","system":"http://unitsofmeasure.org","code":"g/dL"}}`
	return padded(syntheticObservationSize, func(filler string) string {
		return fmt.Sprintf(form, p.PatientID, m, filler, p.PatientID, 1+m%9, 1+m%28, 11+m%6, m%10)
	})
}

// padded renders a resource with enough narrative for the wanted size.
func padded(size int, render func(filler string) string) Resource {
	const words = "hemoglobin within the reference range, no remarks; "
	missing := max(0, size-len(render("")))
	return Resource(render(strings.Repeat(words, missing/len(words)+1)[:missing]))
}
