package audit

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// SignStatement signs a text outside the archive with its key: a signed note whose first line names the key and the kind of text, so that
// it cannot pass for another kind, nor for a checkpoint.
func SignStatement(key *CheckpointKey, kind, text string) (string, error) {
	signed, err := note.Sign(&note.Note{Text: key.Name() + " " + kind + "\n" + text}, key)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return string(signed), nil
}

// OpenStatement returns the text of a statement of a kind that one of these keys signed. A note with any byte changed does not open, since
// there is only one spelling. The error wraps ErrKey.
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
