package fhir_test

import (
	"errors"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

// history wraps entries.
func history(entries ...string) string {
	return `{"resourceType":"Bundle","type":"history","total":7,"link":[{"relation":"self","url":"http://hapi:8080/fhir/Observation/o/_history"}],"entry":[` +
		strings.Join(entries, ",") + `]}`
}

// version wraps a resource in an entry of a history.
func version(resource string) string {
	return `{"fullUrl":"http://hapi:8080/fhir/Observation/o","resource":` + resource + `,"request":{"method":"PUT","url":"Observation/o"},"response":{"status":"201","etag":"W/\"2\""}}`
}

func TestHistory(t *testing.T) {
	obs := func(patient, code string) string {
		return `{"resourceType":"Observation","id":"o","meta":{"versionId":"2","profile":["p"]},"subject":{"reference":"Patient/` + patient + `"},` +
			`"category":[{"coding":[{"system":"` + systemObservation + `","code":"` + code + `"}]}]}`
	}
	const deleted = `{"fullUrl":"http://hapi:8080/fhir/Observation/o","request":{"method":"DELETE","url":"Observation/o"},"response":{"status":"204"}}`
	lab := obs("A", "laboratory")
	tests := []struct {
		name, body string
		want       string // the versions with their patients and categories; "" is refused
	}{
		{"RD-9 every version on its own content", history(version(obs("A", "vital-signs")), version(lab), version(obs("B", "laboratory"))),
			"A [ObservationVitalSigns], A [ObservationLaboratory], B [ObservationLaboratory]"},
		{"RD-9 a deletion is dropped", history(deleted, version(lab)), "A [ObservationLaboratory]"},
		{"RD-9 and a deletion that shows what it deleted", history(strings.Replace(version(lab), "PUT", "DELETE", 1), version(lab)), "A [ObservationLaboratory]"},
		{"RD-9 the same version twice", history(version(lab), version(lab)), "A [ObservationLaboratory], A [ObservationLaboratory]"},
		{"RD-9 a version without a request", history(`{"resource":` + lab + `}`), "A [ObservationLaboratory]"},
		{"RD-9 a version of nobody", history(version(`{"resourceType":"Observation","id":"o"}`), version(lab)), "nobody, A [ObservationLaboratory]"},
		{"RD-9 a version of two", history(version(strings.Replace(lab, `"category"`, `"focus":[{"reference":"Patient/B"}],"category"`, 1))), "nobody"},
		{"RD-9 the fullUrl of another", history(strings.Replace(version(lab), "Observation/o", "Observation/x", 1)), "nobody"},
		{"RD-9 labels of the Bundle hold for all versions", strings.Replace(history(version(lab)), `"total"`, `"meta":{"security":[{"system":"urn:x","code":"y"}]},"total"`, 1), "A [ObservationLaboratory Restricted]"},
		{"RD-9 another id", history(version(lab), version(strings.Replace(lab, `"id":"o"`, `"id":"x"`, 1))), ""},
		{"RD-9 another type", history(version(`{"resourceType":"Condition","id":"o","subject":{"reference":"Patient/A"}}`)), ""},
		{"RD-9 no id", history(version(`{"resourceType":"Observation","subject":{"reference":"Patient/A"}}`)), ""},
		{"RD-9 a searchset", searchset(match(lab)), ""},
		{"RD-9 a resource alone", lab, ""},
		{"RD-9 a request that is no object", history(`{"resource":` + lab + `,"request":["DELETE"]}`), ""},
		{"RD-9 a resource that is none", history(`{"resource":null,"request":{"method":"PUT"}}`), ""},
		{"RD-9 too many versions", history(strings.Split(strings.Repeat(deleted+"\n", 21), "\n")[:21]...), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c fhir.Contents
			err := newReader(t).History([]byte(tt.body), fhir.LocalReference{Type: "Observation", ID: "o"}, &c)
			if tt.want == "" {
				if !errors.Is(err, fhir.ErrContent) || len(c.Resources) > 0 {
					t.Errorf("got %+v, %v, want ErrContent", c.Resources, err)
				}
				return
			}
			var got []string
			for _, r := range c.Resources {
				switch {
				case r.Attributed:
					got = append(got, string(r.Patient)+" "+categoriesOf(r))
				default:
					got = append(got, "nobody")
				}
			}
			if got := strings.Join(got, ", "); err != nil || got != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}

// categoriesOf renders the categories of a resource.
func categoriesOf(r fhir.Resource) string {
	var names []string
	for _, c := range r.Categories {
		names = append(names, string(c))
	}
	return "[" + strings.Join(names, " ") + "]"
}

// RD-9, PG-8, HD-2: a history has the gateway's own wrapper: no total, version, status or time of the source.
func TestAppendHistory(t *testing.T) {
	obs := func(v string) string {
		return `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/A"},"v":` + v + `}`
	}
	var c fhir.Contents
	body := history(version(obs("1.10")), version(`{"resourceType":"Observation","id":"o"}`), version(obs(`2,"meta":{"versionId":"1"}`)))
	if err := newReader(t).History([]byte(body), fhir.LocalReference{Type: "Observation", ID: "o"}, &c); err != nil {
		t.Fatal(err)
	}
	older := func(resource string) string {
		return `{"fullUrl":"https://gw.example/h/Observation/o","resource":` + resource + `,"request":{"method":"PUT","url":"Observation/o"}}`
	}
	entry := func(resource string) string {
		return strings.TrimSuffix(older(resource), `}`) + `,"response":{"status":"200"}}`
	}
	const head = `{"resourceType":"Bundle","type":"history","link":[{"relation":"self","url":"https://gw.example/s"}]`
	edits := fhir.Edits{Base: "https://gw.example/h", Self: "https://gw.example/s"}
	for _, tt := range []struct {
		name string
		v    fhir.Version
		keep []bool
		want string
	}{
		{"STU3 has no responses in it", fhir.STU3, []bool{true, false, true}, head + `,"entry":[` + older(obs("1.10")) + `,` + older(obs("2")) + `]}`},
		{"all that may go", fhir.R4, []bool{true, true, true}, head + `,"entry":[` + entry(obs("1.10")) + `,` + entry(obs("2")) + `]}`},
		{"one of them", fhir.R4, []bool{false, false, true}, head + `,"entry":[` + entry(obs("2")) + `]}`},
		{"none, and no entry then", fhir.R4, []bool{false, true, false}, head + `}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(c.AppendHistory([]byte("before "), tt.v, tt.keep, edits)); got != "before "+tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// RD-8: a version must be a resource of exactly the requested type and id, like any read.
func TestVersionRead(t *testing.T) {
	var c fhir.Contents
	want := fhir.LocalReference{Type: "Observation", ID: "o"}
	old := `{"resourceType":"Observation","id":"o","meta":{"versionId":"1"},"subject":{"reference":"Patient/B"}}`
	if err := newReader(t).Resource([]byte(old), want, &c); err != nil || c.Resources[0].Patient != "B" {
		t.Errorf("got %+v, %v, want the version's own patient", c.Resources, err)
	}
	for _, body := range []string{history(version(old)), strings.Replace(old, `"id":"o"`, `"id":"x"`, 1), strings.Replace(old, "Observation", "Condition", 1)} {
		if err := newReader(t).Resource([]byte(body), want, &c); !errors.Is(err, fhir.ErrContent) {
			t.Errorf("%s: got %v, want ErrContent", body, err)
		}
	}
}
