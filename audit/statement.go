package audit

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// SignStatement signs a text that is not part of the archive with its key: a signed note whose first line names the key and what
// kind of text it is, so that none can pass for another, nor for a checkpoint.
func SignStatement(key *CheckpointKey, kind, text string) (string, error) {
	signed, err := note.Sign(&note.Note{Text: key.Name() + " " + kind + "\n" + text}, key)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return string(signed), nil
}

// OpenStatement gives the text of a statement of a kind that one of these keys signed. There is one spelling of it: a note of which
// any byte was changed does not open. The error wraps ErrKey.
func OpenStatement(signed, kind string, keys ...PublicKey) (string, error) {
	if len(keys) == 0 {
		return "", fmt.Errorf("%w: none to verify with", ErrKey)
	}
	text, err := openExactly(signed, verifiers(keys))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKey, err)
	}
	first, rest, _ := strings.Cut(text, "\n")
	if _, is, _ := strings.Cut(first, " "); is != kind {
		return "", fmt.Errorf("%w: not a statement of this kind", ErrKey)
	}
	return rest, nil
}
