package fhir

import (
	"encoding/json"

	model "github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// Outcome returns an OperationOutcome (R4 §2.27) with one issue, as JSON. Severity and code are from the value sets issue-severity
// and issue-type; unknown ones become error and exception. Empty text and diagnostics are omitted; both come from the gateway's
// fixed texts, never from a source or a caller.
func Outcome(severity, code, text, diagnostics string) []byte {
	issue := model.OperationOutcomeIssue{Severity: model.IssueSeverityError, Code: model.IssueTypeException}
	// An unknown code keeps the default: it is a bug of the calling code, and an error body must be sent anyway.
	_ = issue.Severity.UnmarshalJSON([]byte(severity))
	_ = issue.Code.UnmarshalJSON([]byte(code))
	if text != "" {
		issue.Details = &model.CodeableConcept{Text: &text}
	}
	if diagnostics != "" {
		issue.Diagnostics = &diagnostics
	}
	return marshal(model.OperationOutcome{Issue: []model.OperationOutcomeIssue{issue}})
}

// marshal renders a resource that the gateway wrote itself. It cannot fail: the models hold strings, numbers and codes.
func marshal(resource any) []byte {
	b, err := json.Marshal(resource)
	if err != nil {
		panic("fhir: marshal a resource of our own: " + err.Error())
	}
	return b
}
