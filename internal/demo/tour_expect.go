//go:build !release

package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// expectation compares an answer with what is expected, and summarises it.
type expectation func(answer) (verdict, error)

// verdict is what an answer that is as expected amounts to.
type verdict struct {
	short     string
	permitted bool // something was released, as the event must say
}

// tourBundle has what the tour checks in a searchset.
type tourBundle struct {
	ResourceType string `json:"resourceType"`
	Type         string `json:"type"`
	Entry        []struct {
		Resource json.RawMessage `json:"resource"`
	} `json:"entry"`
}

func readBundle(a answer) (tourBundle, error) {
	if a.status != http.StatusOK {
		return tourBundle{}, fmt.Errorf("got status %d, want 200", a.status)
	}
	var b tourBundle
	if err := json.Unmarshal(a.body, &b); err != nil {
		return tourBundle{}, fmt.Errorf("the answer is not JSON: %w", err)
	}
	if b.ResourceType != "Bundle" || b.Type != "searchset" {
		return tourBundle{}, errors.New("the answer is not a searchset")
	}
	return b, nil
}

// gives expects at least one resource, all of this type and this person.
func gives(typ string, person Person) expectation {
	subject := []byte(`"Patient/` + string(person.PatientID) + `"`)
	return func(a answer) (verdict, error) {
		b, err := readBundle(a)
		if err != nil {
			return verdict{}, err
		}
		for _, entry := range b.Entry {
			var head struct {
				ResourceType string `json:"resourceType"`
			}
			if err := json.Unmarshal(entry.Resource, &head); err != nil {
				return verdict{}, fmt.Errorf("an entry is not JSON: %w", err)
			}
			if head.ResourceType != typ || !bytes.Contains(entry.Resource, subject) {
				return verdict{}, fmt.Errorf("an entry is not a %s of this patient", typ)
			}
		}
		if len(b.Entry) == 0 {
			return verdict{}, fmt.Errorf("got no %s", typ)
		}
		return verdict{fmt.Sprintf("%d of type %s", len(b.Entry), typ), true}, nil
	}
}

// givesNothing expects an empty searchset, or a refusal.
func givesNothing() expectation {
	return func(a answer) (verdict, error) {
		if a.status == http.StatusForbidden {
			return refused()(a)
		}
		b, err := readBundle(a)
		if err != nil {
			return verdict{}, err
		}
		if len(b.Entry) > 0 {
			return verdict{}, fmt.Errorf("got %d entries, want none", len(b.Entry))
		}
		return verdict{short: "nothing"}, nil
	}
}

// refused expects 403 with an OperationOutcome that reveals no more.
func refused() expectation {
	return func(a answer) (verdict, error) {
		var refusal struct {
			ResourceType string `json:"resourceType"`
			Issue        []struct {
				Code string `json:"code"`
			} `json:"issue"`
		}
		if a.status != http.StatusForbidden {
			return verdict{}, fmt.Errorf("got status %d, want 403", a.status)
		}
		if err := json.Unmarshal(a.body, &refusal); err != nil {
			return verdict{}, fmt.Errorf("the answer is not JSON: %w", err)
		}
		if refusal.ResourceType != "OperationOutcome" || len(refusal.Issue) != 1 || refusal.Issue[0].Code != "forbidden" {
			return verdict{}, errors.New("the answer is not an OperationOutcome of code forbidden")
		}
		return verdict{short: "refused"}, nil
	}
}

// declared expects the id and the end of a declaration that is in force.
func declared() expectation {
	return declaration(http.StatusCreated, "expires", "declared, until ")
}

// ended expects the id and the end of a declaration that is over.
func ended() expectation { return declaration(http.StatusOK, "ended", "ended, at ") }

// declaration expects the id of a declaration, and an instant of this name.
func declaration(status int, instant, says string) expectation {
	return func(a answer) (verdict, error) {
		var parameters struct {
			ResourceType string `json:"resourceType"`
			Parameter    []struct {
				Name         string    `json:"name"`
				ValueString  string    `json:"valueString"`
				ValueInstant time.Time `json:"valueInstant"`
			} `json:"parameter"`
		}
		if a.status != status {
			return verdict{}, fmt.Errorf("got status %d, want %d", a.status, status)
		}
		if err := json.Unmarshal(a.body, &parameters); err != nil {
			return verdict{}, fmt.Errorf("the answer is not JSON: %w", err)
		}
		var id string
		var end time.Time
		for _, p := range parameters.Parameter {
			switch p.Name {
			case "declaration":
				id = p.ValueString
			case instant:
				end = p.ValueInstant
			}
		}
		if parameters.ResourceType != "Parameters" || id == "" || end.IsZero() {
			return verdict{}, errors.New("the answer does not hold a declaration and its end")
		}
		return verdict{says + end.UTC().Format(time.RFC3339), true}, nil
	}
}
