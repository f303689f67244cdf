package configs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"unicode/utf8"

	"zorgsluis/consent"
)

// Text is an information text, which patients are shown before they choose. A consent names it by id, version, language and SHA-256, so that it
// can be proven later what was shown.
type Text struct {
	consent.Information
	Text string
}

// maxText limits one information text, in bytes.
const maxText = 64 << 10

// informationName matches <id>/<version>/<language>.txt, with names that need no escaping in a URL.
var informationName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9.-]{0,63})/([A-Za-z0-9][A-Za-z0-9.-]{0,31})/([a-z]{2,3}(?:-[A-Za-z0-9]{2,8})?)\.txt$`)

// DefaultInformation returns the built-in texts.
func DefaultInformation() ([]Text, error) {
	sub, err := fs.Sub(files, "information")
	if err != nil {
		return nil, err
	}
	return LoadInformation(sub)
}

// LoadInformation reads every text of a folder: <id>/<version>/<language>.txt, in the order of their names. All mistakes are reported at once,
// each a *Problem. A text that was shown must never change: a new wording is a new version beside it.
func LoadInformation(fsys fs.FS) ([]Text, error) {
	var texts []Text
	var problems []error
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		wrong := func(what string) { problems = append(problems, &Problem{File: name, What: what}) }
		m := informationName.FindStringSubmatch(name)
		if m == nil {
			wrong("is not <id>/<version>/<language>.txt")
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		switch {
		case err != nil:
			wrong("cannot be read")
		case len(text) > maxText:
			wrong("is longer than an information text may be")
		case !utf8.Valid(text) || strings.TrimSpace(string(text)) == "":
			wrong("is empty, or not UTF-8")
		default:
			sum := sha256.Sum256(text)
			texts = append(texts, Text{consent.Information{ID: m[1], Version: m[2], Language: m[3], SHA256: hex.EncodeToString(sum[:])}, string(text)})
		}
		return nil
	})
	if err != nil {
		problems = append(problems, &Problem{File: ".", What: "cannot be read"})
	}
	return texts, errors.Join(problems...)
}
