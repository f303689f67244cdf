package operator

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/cli"
)

type checkEvidenceCommand struct {
	File      string   `arg:"" placeholder:"FILE" help:"The evidence file."`
	PublicKey []string `placeholder:"KEY" help:"A trusted public key, as printed by events key; repeatable. Without one, the key in the file is used, which shows that the file is whole, not who made it."`
}

// Run checks the file, and summarises it.
func (c *checkEvidenceCommand) Run(env *cli.Environment) error {
	file, err := os.ReadFile(c.File)
	if err != nil {
		return cli.Usage(fmt.Errorf("consent check-evidence: %w", err))
	}
	var trusted []audit.PublicKey
	for _, text := range c.PublicKey {
		key, err := audit.ParsePublicKey(text)
		if err != nil {
			return cli.Usage(fmt.Errorf("--public-key: %w", err))
		}
		trusted = append(trusted, key)
	}
	e, signer, err := openEvidence(file, trusted)
	if err != nil {
		return cli.Damaged(fmt.Errorf("consent check-evidence: %w", err))
	}
	missing := 0
	for _, t := range e.Texts {
		if t.Text == "" {
			missing++
		}
	}
	last := e.Versions[len(e.Versions)-1]
	fmt.Fprintf(env.Stdout, "the evidence is intact: person %s, %d versions from %s to %s, %d records now, %d events\nmade %s by %s, signed by %s\n",
		e.Person, len(e.Versions), stamp(e.Versions[0].Since), stamp(last.Since), len(last.Records), len(e.Events), stamp(e.MadeAt), e.Gateway, signer)
	if missing > 0 {
		fmt.Fprintf(env.Stdout, "%d of %d information texts are named by their hash only\n", missing, len(e.Texts))
	}
	if len(trusted) == 0 {
		fmt.Fprintln(env.Stdout, "the key is the one in the file itself, NOT one that you trust: compare it with what the operator published, or give --public-key")
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// openEvidence checks every byte of a file: each is signed, or fixed.
func openEvidence(file []byte, trusted []audit.PublicKey) (e evidence, signer string, err error) {
	wrong := errors.New
	inner, isHead := bytes.CutPrefix(file, []byte(evidenceHead))
	inner, isTail := bytes.CutSuffix(inner, []byte(evidenceTail))
	at := bytes.LastIndex(inner, []byte(evidenceJoin))
	if !isHead || !isTail || at < 0 {
		return e, "", wrong("this is not an evidence file, or it was changed")
	}
	body, tail := inner[:at], inner[at+len(evidenceJoin):]
	var signature evidenceSignature
	if json.Unmarshal(tail, &signature) != nil {
		return e, "", wrong("the signature was changed")
	}
	if again, err := indented(signature); err != nil || !bytes.Equal(again, tail) {
		return e, "", wrong("the signature was changed")
	}
	own, err := audit.ParsePublicKey(signature.PublicKey)
	if err != nil {
		return e, "", wrong("the key in the file was changed")
	}
	if len(trusted) == 0 {
		trusted = []audit.PublicKey{own}
	}
	signed, err := audit.OpenStatement(signature.Note, evidenceFormat, trusted...)
	if err != nil {
		return e, "", err
	}
	if signed != signedOf(body, signature.PublicKey) {
		return e, "", wrong("what is signed is not what is in the file: it was changed")
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Format != evidenceFormat || len(e.Versions) == 0 {
		return e, "", wrong("the file is of a form that this program does not know")
	}
	return e, own.String(), e.holds()
}

// holds checks the file against itself: the chain, and the texts.
func (e evidence) holds() error {
	previous := ""
	for i, v := range e.Versions {
		sum := sha256.Sum256(v.Entry)
		if v.Generation != uint64(i+1) || v.Previous != previous || v.Hash != hex.EncodeToString(sum[:]) {
			return fmt.Errorf("version %d does not continue the one before", i+1)
		}
		previous = v.Hash
	}
	for _, t := range e.Texts {
		sum := sha256.Sum256([]byte(t.Text))
		if t.Text != "" && t.SHA256 != hex.EncodeToString(sum[:]) {
			return errors.New("an information text is not the one that its hash names")
		}
	}
	return nil
}
