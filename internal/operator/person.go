package operator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
)

type personCommand struct {
	Set personSetCommand `cmd:"" help:"Set flags of a person; others stay as they are. Reads the person (BSN or system|value) from stdin."`
}

type personSetCommand struct {
	cli.Configured
	changing
	Incapacitated         *bool    `negatable:"" help:"The person cannot decide about consent; --no-incapacitated undoes it."`
	BlockRepresentative   bool     `xor:"representative" help:"Block the representative on the second line of stdin, whose access is not good care (WGBO 457): the key shown in events, issuer|subject of a person chosen by the patient, or the number of a legal representative."`
	UnblockRepresentative bool     `xor:"representative" help:"Undo a block. The second line of stdin must be as it was for the block."`
	Withhold              []string `placeholder:"CATEGORY" help:"Withhold data categories from the patient for now (therapeutic exception, WGBO 448)."`
	NoLongerWithhold      []string `placeholder:"CATEGORY" help:"Stop withholding data categories."`
}

// Run sets the flags. Each change raises the generation, so that no earlier decision is carried out.
func (p *personSetCommand) Run(env *cli.Environment) error {
	in := lines(env)
	person, err := readPerson(in)
	if err != nil {
		return err
	}
	representative, err := p.representative(in)
	if err != nil {
		return err
	}
	if p.Incapacitated == nil && representative == "" && len(p.Withhold)+len(p.NoLongerWithhold) == 0 {
		return cli.Usage(errors.New("person set: name at least one flag"))
	}
	return withStore(env, p.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		representative, err := nameOfRepresentative(s, representative, store.Key)
		if err != nil {
			return err
		}
		request := p.request(env)
		standing, err := store.Change(ctx, audit.Change{
			Request: request, Person: person, IfGeneration: p.IfGeneration,
			Event: Event(s, audit.KindPerson, reasonFlagged, request),
			Apply: func(st *consent.Standing) error {
				p.apply(&st.Flags, representative)
				return cli.Usage(s.Catalogue.CheckFlags(st.Flags))
			},
		})
		if err != nil {
			return fmt.Errorf("person set: %w", err)
		}
		return printJSON(env.Stdout, viewOf(standing).Flags)
	})
}

// representative reads the second line of standard input, if a flag requires it.
func (p *personSetCommand) representative(in *bufio.Reader) (string, error) {
	if !p.BlockRepresentative && !p.UnblockRepresentative {
		return "", nil
	}
	id, err := readLine(in)
	if err != nil {
		return "", cli.Usage(fmt.Errorf("representative: %w", err))
	}
	return id, nil
}

// nameOfRepresentative returns how flags name a representative: by the key for issuer|subject, else as given, which is a key or a token's
// value.
func nameOfRepresentative(s *config.Settings, given string, key func(fhir.Identifier) consent.PersonKey) (string, error) {
	issuer, subject, pair := strings.Cut(given, "|")
	if !pair || !strings.Contains(issuer, "://") {
		return given, nil
	}
	pseudonym, known := s.Pseudonym(issuer, subject)
	if !known {
		return "", cli.Usage(errors.New("representative: is not issuer|subject of an issuer that is configured, with a subject that is no citizen service number"))
	}
	return string(key(pseudonym)), nil
}

// apply edits the flags. It may run more than once.
func (p *personSetCommand) apply(f *consent.Flags, representative string) {
	if p.Incapacitated != nil {
		f.Incapacitated = *p.Incapacitated
	}
	switch {
	case p.BlockRepresentative:
		f.RepresentativesBlocked = with(f.RepresentativesBlocked, representative)
	case p.UnblockRepresentative:
		f.RepresentativesBlocked = without(f.RepresentativesBlocked, representative)
	}
	for _, category := range p.Withhold {
		f.WithheldFromPatient = with(f.WithheldFromPatient, fhir.DataCategory(category))
	}
	for _, category := range p.NoLongerWithhold {
		f.WithheldFromPatient = without(f.WithheldFromPatient, fhir.DataCategory(category))
	}
}

// with returns list with value in it once.
func with[T comparable](list []T, value T) []T {
	if slices.Contains(list, value) {
		return list
	}
	return append(slices.Clone(list), value)
}

// without returns list without value.
func without[T comparable](list []T, value T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return v == value })
}
