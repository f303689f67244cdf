package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ErrKey says that something is not a valid checkpoint key.
var ErrKey = errors.New("checkpoint key")

// keyPrefix begins every key's name, and so the first line of what it signs.
const keyPrefix = "zorgsluis/"

// CheckpointKey signs what the archive holds: Ed25519, as C2SP signed notes (golang.org/x/mod/sumdb/note), so that other tools can verify
// it. It is a note.Signer.
type CheckpointKey struct {
	PublicKey
	private ed25519.PrivateKey
}

// PublicKey verifies what a CheckpointKey signed. String is the form to keep and to give to auditors.
type PublicKey struct {
	note.Verifier
	text string
}

// NewCheckpointKey makes the key from a secret of 32 bytes (the seed of RFC 8032 §5.1.5). Its name ends with the first 8 bytes of the
// SHA-256 of the public key, so every checkpoint names the key that signed it, and no two keys share a name.
func NewCheckpointKey(secret []byte) (*CheckpointKey, error) {
	if len(secret) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: %d bytes are needed", ErrKey, ed25519.SeedSize)
	}
	private := ed25519.NewKeyFromSeed(secret)
	public := private.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(public)
	text, err := note.NewEd25519VerifierKey(keyPrefix+hex.EncodeToString(sum[:8]), public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	k, err := ParsePublicKey(text)
	if err != nil {
		return nil, err
	}
	return &CheckpointKey{PublicKey: k, private: private}, nil
}

// ParsePublicKey reads the text form of a public key: "name+hash+base64".
func ParsePublicKey(text string) (PublicKey, error) {
	text = strings.TrimSpace(text)
	v, err := note.NewVerifier(text)
	if err != nil || !strings.HasPrefix(v.Name(), keyPrefix) {
		return PublicKey{}, fmt.Errorf("%w: not a public key of checkpoints", ErrKey)
	}
	return PublicKey{Verifier: v, text: text}, nil
}

// String is the text form.
func (k PublicKey) String() string { return k.text }

// Sign implements note.Signer.
func (k *CheckpointKey) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(k.private, message), nil
}

// verifiers are the trusted keys; nil if there are none, and then signatures are not checked.
func verifiers(keys []PublicKey) note.Verifiers {
	if len(keys) == 0 {
		return nil
	}
	list := make([]note.Verifier, len(keys))
	for i, k := range keys {
		list[i] = k
	}
	return note.VerifierList(list...)
}

// checkpoint says what the archive held at an instant: a signed tree head (C2SP tlog-checkpoint) with one extra line.
type checkpoint struct {
	number uint64 // 1, 2, … in an archive: a removed one leaves a gap
	size   uint64 // events
	root   tlog.Hash
	at     time.Time // by the gateway's clock
}

// text is what is signed; origin is the key's name.
func (c checkpoint) text(origin string) string {
	return fmt.Sprintf("%s\n%d\n%s\ncheckpoint %d %s\n", origin, c.size, c.root, c.number, c.at.UTC().Format(time.RFC3339))
}

// parseCheckpoint reads exactly what text renders.
func parseCheckpoint(text string) (checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 {
		return checkpoint{}, errLine("not a checkpoint")
	}
	var c checkpoint
	var err [4]error
	fields := strings.Split(lines[3], " ")
	if len(fields) != 3 {
		return checkpoint{}, errLine("not a checkpoint")
	}
	c.size, err[0] = strconv.ParseUint(lines[1], 10, 64)
	c.root, err[1] = tlog.ParseHash(lines[2])
	c.number, err[2] = strconv.ParseUint(fields[1], 10, 64)
	c.at, err[3] = time.Parse(time.RFC3339, fields[2])
	if errors.Join(err[:]...) != nil || c.text(lines[0]) != text {
		return checkpoint{}, errLine("not a checkpoint")
	}
	return c, nil
}

// openNote checks a note's signature and returns its text. Without trusted keys it checks only the form.
func openNote(signed string, trust note.Verifiers) (string, error) {
	if trust == nil {
		text, _, found := strings.Cut(signed, "\n\n")
		if !found {
			return "", errLine("not a signed note")
		}
		return text + "\n", nil
	}
	n, err := note.Open([]byte(signed), trust)
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unknown):
		return "", errLine("signed by no key that is trusted")
	case err != nil:
		return "", errLine("the signature does not fit: forged or altered")
	}
	// The first line names the key, so what one key signed cannot pass for another's.
	if origin, _, _ := strings.Cut(n.Text, "\n"); strings.Fields(origin + " -")[0] != n.Sigs[0].Name {
		return "", errLine("signed by another key than the one it names")
	}
	return n.Text, nil
}

// Checkpoint is a checkpoint kept elsewhere, with its signature checked.
type Checkpoint struct {
	Number uint64
	Events uint64 // how many events the archive held
	At     time.Time

	checkpoint checkpoint
}

// ParseCheckpoint reads a signed checkpoint that was kept elsewhere (docs/events.md), for Verify to compare. The error wraps ErrKey if no
// key fits the signature.
func ParseCheckpoint(signed []byte, keys ...PublicKey) (Checkpoint, error) {
	if len(keys) == 0 {
		return Checkpoint{}, fmt.Errorf("%w: none to verify with", ErrKey)
	}
	text, err := openNote(string(signed), verifiers(keys))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint: %w", ErrKey, err)
	}
	c, err := parseCheckpoint(text)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return Checkpoint{Number: c.number, Events: c.size, At: c.at, checkpoint: c}, nil
}
