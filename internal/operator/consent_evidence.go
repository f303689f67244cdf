package operator

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"zorgsluis/audit"
	"zorgsluis/configs"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/storage"
)

// reasonEvidence is the reason of the event of an evidence file.
const reasonEvidence = "evidence"

// evidenceFormat names the format of the file, and the kind of statement that its signature is.
const evidenceFormat = "zorgsluis-consent-evidence-1"

// evidence proves what one person consented to: who said it, how, when, on which information, and that nothing was changed since.
type evidence struct {
	Format     string            `json:"format"`
	HowToCheck []string          `json:"how_to_check"`
	MadeAt     time.Time         `json:"made_at"` // by the store's clock
	Gateway    string            `json:"gateway"`
	Software   string            `json:"software"`
	Store      string            `json:"store"`
	Policy     string            `json:"policy"`
	Person     consent.PersonKey `json:"person"`
	Identifier *fhir.Identifier  `json:"identifier,omitempty"`
	Versions   []evidenceVersion `json:"versions"`
	Texts      []evidenceText    `json:"information"`
	Events     []json.RawMessage `json:"events"`
	Checkpoint string            `json:"archive_checkpoint,omitempty"` // the newest one, as it was signed
}

// evidenceVersion is one version: as stored, and decoded.
type evidenceVersion struct {
	standingView
	Hash     string `json:"hash"`
	Previous string `json:"previous"`
	Entry    []byte `json:"entry"`
}

// evidenceText is a text that a record names. Text is empty if the configuration does not have it.
type evidenceText struct {
	consent.Information
	Text string `json:"text,omitempty"`
}

// howToCheck is in every file, so that it explains itself.
var howToCheck = []string{
	"gateway consent check-evidence FILE --public-key KEY checks all of this; KEY is the public key that the operator published (gateway events key).",
	"signature.note is a signed note (C2SP signed-note, Ed25519); its second line is the SHA-256 of the bytes of the value of the member evidence, from { to }.",
	"versions[].hash is the SHA-256 of versions[].entry (base64): the version as it is stored, sealed. versions[].previous is the hash of the version before, which the sealed version names itself; of the first it is empty.",
	"The archive of access events holds the same entry: the time of the event in microseconds, a space, and made.version. Its own checkpoints sign it (docs/events.md).",
	"information[].sha256 is the SHA-256 of information[].text: what the patient was shown.",
	"person is a pseudonym (HMAC-SHA-256 of the identifier under a secret of the operator). identifier, where it is there, is what the operator says it stands for.",
}

type evidenceCommand struct {
	cli.Configured
	Identify bool `help:"Include the person's identifier. The file is then as confidential as a record."`
}

// Run prints the file, after the event of making it is on record.
func (c *evidenceCommand) Run(env *cli.Environment) error {
	person, err := readPerson(lines(env))
	if err != nil {
		return err
	}
	return withStoreFor(env.Context, c.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		if len(s.ArchiveKeys) == 0 {
			return cli.Usage(errors.New("consent evidence: archive.checkpoint_key_files is missing: there is no key to sign with"))
		}
		key := store.Key(person)
		event := Event(s, audit.KindLog, reasonEvidence, rand.Text())
		event.Person, event.Interaction, event.Type = key, fhir.CodeRead, "Consent"
		if err := store.Commit(ctx, audit.Release{Event: event}); err != nil {
			return fmt.Errorf("consent evidence: not on record, so nothing is given: %w", err)
		}
		e, err := gather(ctx, s, store, key)
		if err != nil {
			return fmt.Errorf("consent evidence: %w", err)
		}
		e.MadeAt, e.Software = event.Time, env.Software
		if c.Identify {
			e.Identifier = &person
		}
		file, err := sealEvidence(e, s.ArchiveKeys[0])
		if err != nil {
			return fmt.Errorf("consent evidence: %w", err)
		}
		_, err = env.Stdout.Write(file)
		return err
	})
}

// gather collects everything about a person, and verifies the chain.
func gather(ctx context.Context, s *config.Settings, store *redisstore.Store, key consent.PersonKey) (evidence, error) {
	e := evidence{
		Format: evidenceFormat, HowToCheck: howToCheck, Gateway: s.File.PublicURL, Store: store.StoreID(),
		Policy: s.PolicyHash, Person: key, Versions: []evidenceVersion{}, Texts: []evidenceText{}, Events: []json.RawMessage{},
	}
	versions, err := store.History(ctx, key)
	if err != nil {
		return e, err
	}
	if len(versions) == 0 {
		return e, errors.New("nothing is on file for the person")
	}
	for _, v := range versions {
		e.Versions = append(e.Versions, evidenceVersion{viewOf(v.Standing), v.Hash, v.Previous, []byte(v.Entry)})
		for _, r := range v.Records {
			e.Texts = withText(e.Texts, r.Information, s.Texts)
		}
	}
	all := storage.NewPersonEvents(store, audit.OpenHistory(s.ArchiveFolder), s.File.Limits.Timeouts.Store/2)
	if e.Events, err = changesOf(ctx, all, key); err != nil {
		return e, err
	}
	e.Checkpoint, err = audit.NewestCheckpoint(s.ArchiveFolder, s.ArchivePublicKeys()...)
	return e, err
}

// withText adds the information that a record names, once, with its text if available.
func withText(list []evidenceText, named consent.Information, texts []configs.Text) []evidenceText {
	if named == (consent.Information{}) || slices.ContainsFunc(list, func(t evidenceText) bool { return t.Information == named }) {
		return list
	}
	t := evidenceText{Information: named}
	if at := slices.IndexFunc(texts, func(t configs.Text) bool { return t.Information == named }); at >= 0 {
		t.Text = texts[at].Text
	}
	return append(list, t)
}

// changesOf returns the events of a person that changed something, or that told the person of a change, oldest first. Who looked at the
// record is left to gateway report recipients.
func changesOf(ctx context.Context, all storage.PersonEvents, key consent.PersonKey) ([]json.RawMessage, error) {
	const page = 500
	list, before := []json.RawMessage{}, audit.Mark{}
	for {
		events, _, err := all.Events(ctx, key, before, page)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if e.Kind != audit.KindAccess && e.Kind != audit.KindLog {
				list = append(list, e.Marshal())
			}
		}
		if len(events) < page {
			slices.Reverse(list)
			return list, nil
		}
		before = events[len(events)-1].Mark()
	}
}

// The fixed text around the members of the file: every byte of it has one place.
const (
	evidenceHead = "{\n  \"evidence\": "
	evidenceJoin = ",\n  \"signature\": "
	evidenceTail = "\n}\n"
)

// evidenceSignature is the second member of the file.
type evidenceSignature struct {
	PublicKey string `json:"public_key"`
	Note      string `json:"note"`
}

func sealEvidence(e evidence, key *audit.CheckpointKey) ([]byte, error) {
	body, err := indented(e)
	if err != nil {
		return nil, err
	}
	note, err := audit.SignStatement(key, evidenceFormat, signedOf(body, key.PublicKey.String()))
	if err != nil {
		return nil, err
	}
	signature, err := indented(evidenceSignature{key.PublicKey.String(), note})
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(evidenceHead), body, []byte(evidenceJoin), signature, []byte(evidenceTail)), nil
}

// signedOf returns the signed text: the hash of the first member of the file, and the key as spelled in the second.
func signedOf(body []byte, key string) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]) + "\n" + key + "\n"
}

// indented renders a value as it is in the file.
func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("  ", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
