//go:build !release

package demo_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The data have no STU3 records of the same people, so those of R4 are converted: what STU3 names or nests differently is moved, what it lacks is
// left out, everything else is kept. Members are sorted by name. The rules are those of the R4 maps to and from STU3, as far as these records
// need them.

// tree is a JSON object.
type tree = map[string]any

// toSTU3 has the rule of each converted type. Other types are left out.
var toSTU3 = map[string]func(tree){
	"Patient": func(tree) {}, "Organization": func(tree) {}, "Practitioner": func(tree) {}, "EpisodeOfCare": func(tree) {},
	"Specimen":      func(tree) {},
	"RelatedPerson": func(r tree) { first(r, "relationship") },
	"Condition": func(r tree) {
		codeOnly(r, "clinicalStatus", "verificationStatus")
		rename(r, "encounter", "context", "recordedDate", "assertedDate")
	},
	"AllergyIntolerance": func(r tree) {
		codeOnly(r, "clinicalStatus", "verificationStatus")
		rename(r, "recordedDate", "assertedDate")
	},
	"CarePlan":  func(r tree) { rename(r, "encounter", "context") },
	"Procedure": func(r tree) { rename(r, "encounter", "context") },
	"Encounter": func(r tree) { rename(r, "reasonCode", "reason") },
	"Flag":      func(r tree) { first(r, "category") },
	"Goal": func(r tree) {
		rename(r, "lifecycleStatus", "status")
		drop(r, "achievementStatus")
	},
	"Observation": func(r tree) {
		rename(r, "encounter", "context")
		first(r, "interpretation")
		comment(r)
		related(r, "hasMember", "has-member")
	},
	"DiagnosticReport": func(r tree) {
		rename(r, "encounter", "context")
		first(r, "category")
		drop(r, "media")
	},
	"MedicationRequest": func(r tree) {
		rename(r, "encounter", "context")
		if requester, ok := r["requester"]; ok {
			r["requester"] = tree{"agent": requester}
		}
		each(r, "dosageInstruction", dosage)
	},
	"Immunization": func(r tree) {
		rename(r, "occurrenceDateTime", "date")
		each(r, "performer", func(p tree) { rename(p, "function", "role") })
		if reason, ok := r["reasonCode"]; ok {
			r["explanation"] = tree{"reason": reason}
		}
		r["notGiven"] = false
		drop(r, "reasonCode", "protocolApplied")
	},
	"Device": func(r tree) {
		first(r, "udiCarrier")
		rename(r, "udiCarrier", "udi")
	},
	"DeviceUseStatement": func(r tree) { drop(r, "reasonReference") },
}

func rename(r tree, pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		for _, prefix := range []string{"", "_"} {
			if v, ok := r[prefix+pairs[i]]; ok {
				r[prefix+pairs[i+1]] = v
				delete(r, prefix+pairs[i])
			}
		}
	}
}

func drop(r tree, members ...string) {
	for _, member := range members {
		delete(r, member)
	}
}

// first replaces a list by its first value.
func first(r tree, member string) {
	if list, ok := r[member].([]any); ok {
		r[member] = list[0]
	}
}

// each applies a rule to the objects of a list.
func each(r tree, member string, rule func(tree)) {
	list, _ := r[member].([]any)
	for _, item := range list {
		rule(item.(tree))
	}
}

// codeOnly replaces a CodeableConcept by its code.
func codeOnly(r tree, members ...string) {
	for _, member := range members {
		if concept, ok := r[member].(tree); ok {
			r[member] = concept["coding"].([]any)[0].(tree)["code"]
		}
	}
}

// comment joins the notes into the single text of STU3.
func comment(r tree) {
	var texts []string
	each(r, "note", func(note tree) { texts = append(texts, note["text"].(string)) })
	if len(texts) > 0 {
		r["comment"] = strings.Join(texts, "\n")
	}
	drop(r, "note")
}

// related replaces a list of references by related observations.
func related(r tree, member, kind string) {
	list, ok := r[member].([]any)
	if !ok {
		return
	}
	targets := []any{}
	for _, target := range list {
		targets = append(targets, tree{"type": kind, "target": target})
	}
	r["related"] = targets
	drop(r, member)
}

// dosage takes the dose out of the list that it has in R4.
func dosage(d tree) {
	each(d, "doseAndRate", func(dose tree) {
		drop(dose, "type")
		maps.Copy(d, dose)
	})
	drop(d, "doseAndRate")
}

// everywhere applies the rules for any depth: code systems have their older names, and references no type.
func everywhere(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			everywhere(item)
		}
	case tree:
		if name, ok := v["system"].(string); ok {
			v["system"] = olderSystem(name)
		}
		if _, ok := v["reference"]; ok {
			delete(v, "type")
		}
		for _, item := range v {
			everywhere(item)
		}
	}
}

func olderSystem(name string) string {
	rest, ok := strings.CutPrefix(name, "http://terminology.hl7.org/CodeSystem/")
	if !ok {
		return name
	}
	for _, table := range []string{"v3", "v2"} {
		if code, ok := strings.CutPrefix(rest, table+"-"); ok {
			return "http://hl7.org/fhir/" + table + "/" + code
		}
	}
	return "http://hl7.org/fhir/" + rest
}

// filesSTU3 are the records of demo.PeopleSTU3.
var filesSTU3 = []string{"karena-pfeffer", "milan-beatty", "nl-core-patient-01"}

// convertSTU3 converts the embedded R4 records.
func convertSTU3() error {
	for _, name := range filesSTU3 {
		lines, err := linesSTU3(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := writeGzip(filepath.Join("data", "stu3", name+".ndjson.gz"), lines); err != nil {
			return err
		}
	}
	return convertParametersSTU3()
}

// linesSTU3 converts the embedded R4 resources of one file.
func linesSTU3(name string) ([]byte, error) {
	content, err := readGzipFile(filepath.Join("data", name+".ndjson.gz"))
	if err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	for line := range bytes.Lines(content) {
		if err := writeSTU3(&lines, line); err != nil {
			return nil, err
		}
	}
	return lines.Bytes(), nil
}

// writeSTU3 writes one converted resource as a line, type and id first.
func writeSTU3(lines *bytes.Buffer, resource []byte) error {
	var r tree
	dec := json.NewDecoder(bytes.NewReader(resource))
	dec.UseNumber()
	if err := dec.Decode(&r); err != nil {
		return err
	}
	typ := r["resourceType"].(string)
	rule, ok := toSTU3[typ]
	if !ok {
		return nil
	}
	rule(r)
	everywhere(r)
	delete(r["meta"].(tree), "profile") // it names R4
	fmt.Fprintf(lines, `{"resourceType":%q,"id":%q`, typ, r["id"])
	for _, member := range slices.Sorted(maps.Keys(r)) {
		if member == "resourceType" || member == "id" {
			continue
		}
		var value bytes.Buffer
		enc := json.NewEncoder(&value)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r[member]); err != nil {
			return err
		}
		fmt.Fprintf(lines, ",%q:%s", member, bytes.TrimSuffix(value.Bytes(), []byte("\n")))
	}
	lines.WriteString("}\n")
	return nil
}

// pathsSTU3 are the element paths of parameters that R4 lacks or has elsewhere, as far as the demo needs them.
var pathsSTU3 = map[string]string{
	"Condition.context": "context", "Condition.encounter": "context:Encounter", "Condition.asserted-date": "assertedDate",
	"Observation.context": "context", "Observation.encounter": "context:Encounter",
	"Observation.related-type": "related.type", "Observation.related-target": "related.target",
	"Procedure.context": "context", "Procedure.encounter": "context:Encounter",
	"CarePlan.context": "context", "CarePlan.encounter": "context:Encounter",
	"DiagnosticReport.context": "context", "DiagnosticReport.encounter": "context:Encounter", "DiagnosticReport.image": "image.link",
	"DiagnosticReport.diagnosis": "codedDiagnosis", "DiagnosticReport.performer": "performer.actor",
	"MedicationRequest.context": "context", "MedicationRequest.requester": "requester.agent",
	"Encounter.reason": "reason", "Encounter.episodeofcare": "episodeOfCare", "Encounter.incomingreferral": "incomingReferral",
	"Immunization.date": "date", "Immunization.practitioner": "performer.actor", "Immunization.notgiven": "notGiven",
	"AllergyIntolerance.date": "assertedDate", "Goal.status": "status",
	"DocumentReference.class": "class", "DocumentReference.created": "created", "DocumentReference.indexed": "indexed",
	"ProcedureRequest.patient": "subject:Patient", "ProcedureRequest.subject": "subject", "ProcedureRequest.status": "status",
	"ProcedureRequest.context": "context", "ProcedureRequest.code": "code", "ProcedureRequest.intent": "intent",
	"ProcedureRequest.authored": "authoredOn", "ProcedureRequest.requester": "requester.agent",
	"ReferralRequest.patient": "subject:Patient", "ReferralRequest.subject": "subject", "ReferralRequest.status": "status",
	"BodySite.patient": "patient", "EligibilityRequest.patient": "patient", "ImagingManifest.patient": "patient", "Sequence.patient": "patient",
}

// convertParametersSTU3 makes the table of search parameters from the standard list of STU3 that the gateway's own tables are tested
// with; the element paths are those of R4 where pathsSTU3 has none.
func convertParametersSTU3() error {
	b, err := os.ReadFile("../../fhir/testdata/stu3/search-parameters.json")
	if err != nil {
		return err
	}
	var standard []struct {
		Base       []string
		Code, Type string
	}
	if err := json.Unmarshal(b, &standard); err != nil {
		return err
	}
	newer, err := readGzipFile(filepath.Join("data", "search-parameters.tsv.gz"))
	if err != nil {
		return err
	}
	paths := map[string]string{}
	for line := range strings.Lines(string(newer)) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		paths[columns[0]+"."+columns[1]] = columns[3]
	}
	maps.Copy(paths, pathsSTU3)
	var lines []string
	for _, p := range standard {
		for _, base := range p.Base {
			if path := paths[base+"."+p.Code]; path != "" && p.Type != "composite" && p.Type != "special" {
				lines = append(lines, strings.Join([]string{base, p.Code, p.Type, path}, "\t"))
			}
		}
	}
	slices.Sort(lines)
	return writeGzip(filepath.Join("data", "stu3", "search-parameters.tsv.gz"), []byte(strings.Join(slices.Compact(lines), "\n")+"\n"))
}
