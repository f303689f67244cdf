package policy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"zorgsluis/configs"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// The vectors are worked cases of decision.md. These variables can name files with more of them: a list of paths, absolute or from this
// folder. Such a run needs -count=1, because the cache of go test does not look at files outside of the module.
const (
	decisionFilesVariable = "ZORGSLUIS_DECISION_VECTORS"
	categoryFilesVariable = "ZORGSLUIS_CATEGORY_VECTORS"
)

// Our own vectors.
const (
	decisionVectors = "testdata/decisions.ndjson"
	categoryVectors = "testdata/categories.ndjson"
)

// decisionVector is one line of decisions.ndjson.
type decisionVector struct {
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
	Request struct {
		Actor struct {
			Kind         string                    `json:"kind"`
			Assurance    string                    `json:"assurance"`
			Categories   []policy.ProviderCategory `json:"categories"`
			Organization string                    `json:"organization"`
			Practitioner string                    `json:"practitioner"`
			Relationship policy.Relationship       `json:"relationship"`
			PatientID    consent.PersonKey         `json:"patient_id"`
			ID           string                    `json:"id"`
			Authority    string                    `json:"authority"`
		} `json:"actor"`
		Purpose   policy.PurposeOfUse `json:"purpose"`
		Emergency *struct {
			Reason            string `json:"reason"`
			ConsentImpossible bool   `json:"consent_impossible"`
		} `json:"emergency"`
		Channel      policy.Channel    `json:"channel"`
		Holder       policy.Holder     `json:"holder"`
		DataCategory fhir.DataCategory `json:"data_category"`
	} `json:"request"`
	Patient struct {
		ID                     consent.PersonKey   `json:"id"`
		BirthDate              string              `json:"birth_date"`
		Deceased               bool                `json:"deceased"`
		Incapacitated          bool                `json:"incapacitated"`
		RepresentativesBlocked []string            `json:"representatives_blocked"`
		WithheldFromPatient    []fhir.DataCategory `json:"withheld_from_patient"`
	} `json:"patient"`
	Consents []consent.Record `json:"consents"`
	Expect   struct {
		Decision    string              `json:"decision"`
		Reason      policy.Reason       `json:"reason"`
		Obligations []policy.Obligation `json:"obligations"`
		Records     []consent.RecordID  `json:"records"`
	} `json:"expect"`
}

var kinds = map[string]policy.SubjectKind{
	"patient": policy.KindPatient, "representative": policy.KindRepresentative, "provider": policy.KindProvider,
}

func (v decisionVector) input() policy.Input {
	a := v.Request.Actor
	assurance, _ := policy.ParseAssurance(a.Assurance)
	in := policy.Input{
		At: v.At,
		Request: policy.Request{
			Actor: policy.Actor{
				Kind: kinds[a.Kind], Assurance: assurance, Categories: a.Categories, Organization: a.Organization,
				Practitioner: a.Practitioner, Relationship: a.Relationship, PatientKey: a.PatientID, Representative: a.ID,
				Authority: a.Authority,
			},
			Purpose: v.Request.Purpose, Channel: v.Request.Channel, Holder: v.Request.Holder, Category: v.Request.DataCategory,
		},
		Patient: policy.Patient{
			Key: v.Patient.ID, BirthDate: v.Patient.BirthDate, Deceased: v.Patient.Deceased,
			Flags: consent.Flags{
				Incapacitated:          v.Patient.Incapacitated,
				RepresentativesBlocked: v.Patient.RepresentativesBlocked,
				WithheldFromPatient:    v.Patient.WithheldFromPatient,
			},
		},
		Records: v.Consents,
	}
	if e := v.Request.Emergency; e != nil {
		in.Request.Emergency = &policy.Emergency{Reason: e.Reason, ConsentImpossible: e.ConsentImpossible}
	}
	return in
}

// vectorConfig is the configuration that decision.md gives for the vectors, with the groups of the shipped tables.
func vectorConfig(t testing.TB) policy.Config {
	t.Helper()
	tables, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	return policy.Config{
		Categories:          []policy.ProviderCategory{"gp", "pharmacy", "hospital", "lab", "nursing", "ggz", "other"},
		MinimumAssurance:    policy.AssuranceSubstantial,
		EmergencyCategories: []policy.ProviderCategory{"gp", "hospital"},
		Channels: map[policy.Channel]policy.ChannelRule{
			"referral": {Implied: true}, "medmij": {MinimumAge: 16}, "regional": {}, "lsp": {},
		},
		DefaultMinimumAge: 12,
		Groups:            tables.Groups,
		GroupIncludes:     tables.GroupIncludes,
	}
}

func vectorPolicy(t testing.TB) *policy.Policy {
	t.Helper()
	p, err := policy.New(vectorConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestVectorsAreWhole: none of our own vectors got lost.
func TestVectorsAreWhole(t *testing.T) {
	for path, want := range map[string]int{decisionVectors: 1089, categoryVectors: 260} {
		if got := len(readVectors(t, path).lines); got != want {
			t.Errorf("%s: got %d vectors, want %d", path, got, want)
		}
	}
}

func TestDecisionVectors(t *testing.T) {
	p := vectorPolicy(t)
	for _, file := range vectorFiles(t, decisionVectors, decisionFilesVariable) {
		for i, line := range file.lines {
			var v decisionVector
			if err := json.Unmarshal(line, &v); err != nil {
				t.Errorf("%s:%d: %v", file.name, i+1, err)
				continue
			}
			got := p.Decide(v.input())
			want := policy.Decision{
				Permit: v.Expect.Decision == "permit", Reason: v.Expect.Reason,
				Obligations: slices.Sorted(slices.Values(v.Expect.Obligations)), Records: slices.Sorted(slices.Values(v.Expect.Records)),
			}
			if !sameDecision(got, want) {
				t.Errorf("%s:%d: %s: got %+v, want %+v", file.name, i+1, v.Name, got, want)
			}
		}
	}
}

func TestCategoryVectors(t *testing.T) {
	tables, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range vectorFiles(t, categoryVectors, categoryFilesVariable) {
		for i, line := range file.lines {
			var v struct {
				Signals policy.Signals            `json:"signals"`
				Expect  []policy.ProviderCategory `json:"expect"`
			}
			if err := json.Unmarshal(line, &v); err != nil {
				t.Errorf("%s:%d: %v", file.name, i+1, err)
				continue
			}
			got := tables.Providers.Resolve(v.Signals)
			if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(v.Expect))) {
				t.Errorf("%s:%d: got %v, want %v", file.name, i+1, got, v.Expect)
			}
		}
	}
}

func sameDecision(a, b policy.Decision) bool {
	return a.Permit == b.Permit && a.Reason == b.Reason &&
		slices.Equal(a.Obligations, b.Obligations) && slices.Equal(a.Records, b.Records)
}

// vectorFile is one file of vectors, by line.
type vectorFile struct {
	name  string
	lines [][]byte
}

// vectorFiles reads our own file, and those that the environment names. A file that cannot be read or is empty fails the test: vectors that
// do not run prove nothing.
func vectorFiles(t *testing.T, own, variable string) []vectorFile {
	t.Helper()
	files := []vectorFile{readVectors(t, own)}
	list, set := os.LookupEnv(variable)
	if !set {
		return files
	}
	paths := filepath.SplitList(list)
	if len(paths) == 0 {
		t.Fatalf("%s is set and names no file", variable)
	}
	for _, path := range paths {
		files = append(files, readVectors(t, path))
	}
	return files
}

func readVectors(t *testing.T, path string) vectorFile {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("vectors: %v", err)
	}
	f := vectorFile{name: path}
	for line := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) { // some editors put a byte order mark first
		if line = bytes.TrimSpace(line); len(line) > 0 {
			f.lines = append(f.lines, line)
		}
	}
	if len(f.lines) == 0 {
		t.Fatalf("%s holds no vectors", path)
	}
	return f
}
