package audit

import (
	"crypto/sha256"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is the Merkle tree of RFC 6962 over the lines of all events, without their line feeds: what a checkpoint signs. It holds only the
// roots of the complete subtrees, largest first, one for each 1 bit of the number of events, which is all that is needed to continue. So a
// new file can begin with it, and what came before can be removed.
type tree []tlog.Hash

// fits reports whether this can be the tree over so many events. The tree of a reader that began in the middle of a file does not fit.
func (t tree) fits(events uint64) bool { return len(t) == bits.OnesCount64(events) }

// add returns the tree over one more event; before is how many there were. It overwrites t.
func (t tree) add(before uint64, line []byte) tree {
	h := tlog.RecordHash(line)
	for ; before&1 == 1; before >>= 1 {
		h = tlog.NodeHash(t[len(t)-1], h)
		t = t[:len(t)-1]
	}
	return append(t, h)
}

// root is the root hash (RFC 6962 §2.1).
func (t tree) root() tlog.Hash {
	if len(t) == 0 {
		return sha256.Sum256(nil)
	}
	h := t[len(t)-1]
	for i := len(t) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t[i], h)
	}
	return h
}
