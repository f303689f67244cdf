package operator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/catalogue"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/files"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

type releaseCommand struct {
	cli.Configured
	Source              string   `required:"" placeholder:"ID" help:"The id of the source with the record."`
	Ground              string   `required:"" placeholder:"GROUND" help:"The legal ground: procedure-against-provider, hereditary-condition, incident (of which a relative was told) or parents-under-16. A dispute about a will or a personal interest of relatives is none."`
	Data                []string `required:"" sep:"," placeholder:"NAME" help:"The data categories and groups that the ground needs, separated by commas. There is no name for everything."`
	To                  string   `required:"" placeholder:"TEXT" help:"Who receives the copy, in words; never a person's number."`
	By                  string   `required:"" placeholder:"NAME" help:"Your name: recorded."`
	ApprovedBy          string   `required:"" placeholder:"NAME" help:"The name of the other person, who approved it: recorded."`
	NoObjectionPresumed bool     `help:"Confirm that both found no reason to presume that the deceased would have objected. Without it nothing is released."`
	Why                 string   `required:"" placeholder:"TEXT" help:"Why the ground holds and needs these data: recorded."`
	Out                 string   `required:"" placeholder:"FILE" help:"The file for the copy, which must not exist yet."`
}

// Run makes a copy of data of somebody who has died, on a ground of BW 7:458a; the person is read from standard input. The event is on
// record before there is a byte of the copy.
func (c *releaseCommand) Run(env *cli.Environment) error {
	if err := c.check(); err != nil {
		return err
	}
	person, err := readPerson(lines(env))
	if err == nil {
		err = c.withoutNumbers(person)
	}
	if err != nil {
		return err
	}
	return withStoreFor(env.Context, c.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		desk, err := c.desk(ctx, s, store)
		if err != nil {
			return inCommand("release", err)
		}
		made, err := desk.Copy(ctx, proxy.Order{
			Person: person, To: c.To, Why: c.Why,
			Handover: policy.Handover{
				Ground: policy.Ground(c.Ground), By: c.By, ApprovedBy: c.ApprovedBy, NoObjectionPresumed: c.NoObjectionPresumed,
				Data: c.Data, Restricted: s.File.Policy.AfterDeath.Restricted,
			},
		})
		if err != nil {
			return inCommand("release", whyNot(err))
		}
		if err := files.Create(c.Out, made.Body); err != nil {
			return fmt.Errorf("release: event %s is on record, and the copy was not written: %w", made.Event, files.WithoutName(err))
		}
		return c.tell(env, made)
	})
}

// check refuses flags that cannot lead to a copy, before anything is requested.
func (c *releaseCommand) check() error {
	for flag, text := range map[string]string{"--to": c.To, "--by": c.By, "--approved-by": c.ApprovedBy, "--why": c.Why} {
		if strings.TrimSpace(text) == "" {
			return cli.Usage(fmt.Errorf("%s must say something", flag))
		}
	}
	if _, err := os.Lstat(c.Out); !errors.Is(err, fs.ErrNotExist) {
		return cli.Usage(errors.New("--out must be a file that does not exist yet: nothing is overwritten"))
	}
	if folder, err := os.Stat(filepath.Dir(c.Out)); err != nil || !folder.IsDir() {
		return cli.Usage(errors.New("--out must be in a folder that exists"))
	}
	return nil
}

// withoutNumbers refuses arguments with a BSN, or with the number of the person: they are in the process list, and would be in the event. Folders
// are looked through for the number of the person only: digits in their names can look like a BSN by chance.
func (c *releaseCommand) withoutNumbers(person fhir.Identifier) error {
	number := onlyDigits(person.Value)
	for _, text := range append(slices.Clone(c.Data), c.Source, c.Ground, c.To, c.By, c.ApprovedBy, c.Why, c.Out) {
		numbered := text
		if text == c.Out {
			numbered = filepath.Base(text)
		}
		if audit.HidePersons(numbered) != numbered || strings.Contains(text, person.Value) || len(number) >= 8 && strings.Contains(onlyDigits(text), number) {
			return cli.Usage(errors.New("an argument holds the number of a person: that is for standard input only, and was not recorded"))
		}
	}
	return nil
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// desk returns the desk of the source, with the limits and source transport of the gate, and with consents interpreted in the same way.
func (c *releaseCommand) desk(ctx context.Context, s *config.Settings, store *redisstore.Store) (*proxy.Desk, error) {
	for i := range c.Data {
		c.Data[i] = strings.TrimSpace(c.Data[i])
	}
	for _, name := range c.Data {
		if _, group := s.Tables.Groups[name]; !group && !slices.Contains(s.Tables.DataCategories, fhir.DataCategory(name)) {
			return nil, cli.Usage(errors.New("--data names what is neither a data category nor a group of them; there is no name for everything"))
		}
	}
	sources, err := s.ProxySources()
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(sources, func(source *proxy.Source) bool { return source.ID == c.Source })
	if at < 0 {
		return nil, cli.Usage(errors.New("--source is not the id of a configured source"))
	}
	if err := catalogue.Apply(ctx, s, store); err != nil {
		return nil, err
	}
	return proxy.NewDesk(proxy.DeskParts{
		PublicURL: s.File.PublicURL, PolicyHash: s.PolicyHash, Source: sources[at], Policy: s.Policy, Categories: s.Tables.DataCategories,
		Standings: store, Recorder: store, Limits: s.ProxyLimits(), Now: time.Now,
	})
}

// tell prints what was made, and what is left to people.
func (c *releaseCommand) tell(env *cli.Environment, made proxy.Copy) error {
	fmt.Fprintln(env.Stderr, "read the copy before you hand it over: what does not relate to the ground, and what harms the privacy of somebody else, must not go along (BW 7:458a lid 3 and 4)")
	return printJSON(env.Stdout, struct {
		Event      audit.EventID       `json:"event"`
		SHA256     string              `json:"sha256"`
		Resources  int                 `json:"resources"`
		Categories []fhir.DataCategory `json:"categories"`
		LeftOut    int                 `json:"attachments_left_out,omitempty"`
	}{made.Event, made.Digest, made.Resources, made.Categories, made.LeftOut})
}

// refusals say in words why there is no copy.
var refusals = map[policy.Reason]string{
	policy.ReasonGroundNotListed: "--ground must be procedure-against-provider, hereditary-condition, incident or parents-under-16 (BW 7:458a). " +
		"A dispute about a will is no ground, and neither are personal interests of relatives",
	policy.ReasonFourEyes:              "--by and --approved-by must be two people",
	policy.ReasonPresumptionMissing:    "--no-objection-presumed was not stated: where the deceased is presumed to have objected nothing is released",
	policy.ReasonDataNotNamed:          "--data must name the data that the ground needs",
	policy.ReasonNotShareable:          "Consent and Logging are never released",
	policy.ReasonRestrictedNotAllowed:  "Restricted is released only where policy.after_death.restricted allows it",
	policy.ReasonNotDeceased:           "the source does not say that the patient has died",
	policy.ReasonAgeAtDeath:            "the source does not show that the patient died before the age of 16",
	policy.ReasonRepresentativeBlocked: "a provider decided that a representative may not see the record, and which parent asks is not known here",
	"patient-unresolved":               "the source does not know the person",
	"patient-ambiguous":                "the source has several records of the person, or several persons in one",
	"patient-unusable":                 "the source's record of the person was replaced, or has no birth date",
	"absent":                           "the source has nothing of the named data",
	"copy-too-large":                   "that is more than limits.memory allows: name less data at a time",
}

// whyNot returns the error of a command that makes no copy, in words for its operator.
func whyNot(err error) error {
	not, ok := errors.AsType[*proxy.NotReleased](err)
	if !ok {
		return err
	}
	text := refusals[not.Reason]
	switch {
	case not.Reason == policy.ReasonObjectedInLife:
		text = fmt.Sprintf("the deceased objected in life, as to %s (%s)", inWords(not.Objected), inWords(not.Records))
	case text == "":
		text = err.Error()
	}
	if !not.Recorded {
		return fmt.Errorf("nothing was released, and nothing of it is on record: %s: %w", text, err)
	}
	return fmt.Errorf("nothing was released, which is on record: %s", text)
}

// inWords joins a list with commas.
func inWords[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	return strings.Join(words, ", ")
}
