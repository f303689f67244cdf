package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
)

type reportCommand struct {
	Recipients reportRecipientsCommand `cmd:"" help:"Print who received what of one patient's record. Reads the person (BSN or system|value) from stdin. This is itself recorded."`
	Incident   reportIncidentCommand   `cmd:"" help:"Print which patients, and which of their data, the requests of a period, or of one caller in it, were about. This is itself recorded."`
	Insurers   reportInsurersCommand   `cmd:"" help:"Print the attempts of insurers to get records, which must be reported to the authority. Names no patient."`
	Breakglass reportBreakGlassCommand `cmd:"" help:"Count the emergency declarations of a period by organization, professional, reason and verdict. Names no patient."`
}

// period is the days that a report is about, in the time zone of the Netherlands.
type period struct {
	From string `required:"" placeholder:"DATE" help:"First day (2026-01-31), in Dutch time."`
	To   string `required:"" placeholder:"DATE" help:"Last day."`
}

// instants gives the period from the beginning of its first day to the end of its last.
func (p period) instants() (during span, err error) {
	zone := consent.Zone()
	if during.from, err = time.ParseInLocation(time.DateOnly, p.From, zone); err != nil {
		return during, cli.Usage(errors.New("--from must be a date as in 2026-01-31"))
	}
	last, err := time.ParseInLocation(time.DateOnly, p.To, zone)
	if err != nil {
		return during, cli.Usage(errors.New("--to must be a date as in 2026-01-31"))
	}
	if last.Before(during.from) {
		return during, cli.Usage(errors.New("--to is before --from"))
	}
	during.until = last.AddDate(0, 0, 1)
	return during, nil
}

// span is the time from one instant up to, but not including, another. It has no end if until is zero.
type span struct{ from, until time.Time }

func (s span) holds(at time.Time) bool {
	return !at.Before(s.from) && (s.until.IsZero() || at.Before(s.until))
}

// eachEvent calls each for every event of the archive, oldest first, and returns the time of the newest. It verifies the archive: there is
// no report of a damaged one.
func eachEvent(ctx context.Context, s *config.Settings, each func(audit.Event)) (through time.Time, err error) {
	_, err = audit.Walk(s.ArchiveFolder, audit.VerifyOptions{
		Keys: s.ArchivePublicKeys(),
		Each: func(l audit.Line) error {
			e, err := audit.ParseEvent(l.Payload)
			if err != nil {
				return fmt.Errorf("event %d: %w", l.N, err)
			}
			if e.Time.After(through) {
				through = e.Time
			}
			each(e)
			return ctx.Err()
		},
	})
	return through, err
}
