package operator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/config/configtest"
	"zorgsluis/internal/storage"
)

// operatorOn is newOperator that also returns the server of the store, with changes of the configuration: old, new, old, new, …
func operatorOn(t *testing.T, replace ...string) (operator, *redistest.Server) {
	t.Helper()
	server := redistest.Start(t)
	text := strings.Replace(configtest.Good, "mode: embedded\n  folder: redis\n", fmt.Sprintf("mode: external\n  addresses: [%q]\n", server.Address()), 1)
	o := operator{t, configtest.Place(t, strings.NewReplacer(replace...).Replace(text))}
	o.must("", "store", "init")
	return o, server
}

// backend opens the store as the commands do. The caller must close it.
func (o operator) backend() (*config.Settings, *storage.Backend) {
	o.t.Helper()
	s, err := config.Load(o.config)
	if err != nil {
		o.t.Fatal(err)
	}
	b, err := storage.Open(o.t.Context(), s)
	if err != nil {
		o.t.Fatal(err)
	}
	return s, b
}

// drain archives everything, as a gateway would.
func (o operator) drain() {
	o.t.Helper()
	s, b := o.backend()
	archive, err := storage.OpenArchive(s)
	if err != nil {
		o.t.Fatal(err)
	}
	if err := errors.Join(archive.Drain(o.t.Context(), b.Store), archive.Close(), b.Close()); err != nil {
		o.t.Fatal(err)
	}
}

func TestConsentVerify(t *testing.T) {
	o, server := operatorOn(t)
	grant := o.record(goodGrant)
	for range 3 {
		o.must(testBSN, "consent", "put", "--record", grant)
	}
	o.must(otherBSN, "consent", "put", "--record", grant)
	want := func(out string, args ...string) {
		t.Helper()
		if got := o.must(testBSN, append([]string{"consent", "verify"}, args...)...); !strings.Contains(got, out) {
			t.Errorf("%v: got %q, want something with %q", args, got, out)
		}
	}
	want("1 persons, 3 versions: every chain holds, and ends as the archive says (0)")
	want("2 persons, 4 versions", "--all")
	o.drain()
	want("(1)")
	want("(2)", "--all")

	damaged := func(where string, break_ func(), mend func()) {
		t.Helper()
		break_()
		for _, args := range [][]string{{"consent", "verify"}, {"consent", "verify", "--all"}} {
			if r := o.do(testBSN, args...); r.code != cli.ExitDamaged || !strings.Contains(r.out, where) || !strings.Contains(r.errors, "1 of ") {
				t.Errorf("%v: got exit code %d, %q and %q, want %d and %q", args, r.code, r.out, r.errors, cli.ExitDamaged, where)
			}
		}
		mend()
	}
	redis := server.Client()
	var person, history string
	for _, key := range redis.Keys(t.Context(), "zs:*:history").Val() {
		if redis.LLen(t.Context(), key).Val() == 3 {
			history, person = key, strings.TrimSuffix(key, ":history")
		}
	}
	versions := redis.LRange(t.Context(), history, 0, -1).Val()
	before := redis.HGetAll(t.Context(), person).Val()
	put := func(i int64, entry string) func() { return func() { redis.LSet(t.Context(), history, i, entry) } }
	restore := func() {
		redis.HSet(t.Context(), person, before)
		redis.Del(t.Context(), history)
		for _, v := range versions {
			redis.RPush(t.Context(), history, v)
		}
	}
	changed := []byte(versions[1])
	changed[len(changed)-1] ^= 1
	damaged("version 2: ", put(1, string(changed)), restore)
	damaged("version 1: ", put(0, versions[1]), restore)
	damaged("version 2 does not continue", put(0, "1"+versions[0]), restore) // another timestamp
	damaged("versions are missing", func() { redis.LPop(t.Context(), history) }, restore)
	damaged("versions are missing", func() { redis.Del(t.Context(), person) }, restore)
	damaged("version 3 is in the archive and not in the store", func() { redis.Del(t.Context(), person, history) }, restore)
	want("(2)", "--all")

	// Restored as a whole to before a change: the chain is intact, but the archive is ahead.
	o.must(testBSN, "consent", "put", "--record", grant)
	o.drain()
	damaged("version 4 is in the archive and not in the store", restore, func() {})
}

func TestConsentEvidence(t *testing.T) {
	o, _ := operatorOn(t)
	o.fails(cli.ExitRuntime, "nothing is on file", testBSN, "consent", "evidence")
	s, err := config.Load(o.config)
	if err != nil {
		t.Fatal(err)
	}
	shown, _ := json.Marshal(s.Texts[1].Information)
	known := strings.Replace(goodGrant, goodGrant[strings.Index(goodGrant, `{"id":"leaflet"`):len(goodGrant)-1], string(shown), 1)
	first := o.must(testBSN, "consent", "put", "--record", o.record(known))
	o.must(testBSN, "consent", "put", "--record", o.record(goodGrant))
	o.drain()
	o.must(testBSN, "consent", "withdraw", first, "--by", "patient")
	out := o.must(testBSN, "consent", "evidence") + "\n"
	for _, want := range []string{first, `"method": "written"`, `"recorded_by": "uzi:1"`, "Als u nee zegt", `"reason": "withdrawn"`, `"reason": "recorded"`, `"id": "leaflet"`, "archive_checkpoint"} {
		if !strings.Contains(out, want) {
			t.Errorf("the evidence holds no %q", want)
		}
	}
	file := configtest.Write(t, filepath.Join(t.TempDir(), "evidence.json"), out)
	key := o.must("", "events", "key")
	check := func(args ...string) result {
		t.Helper()
		var out, errors strings.Builder
		code := run(t.Context(), append([]string{"consent", "check-evidence"}, args...), strings.NewReader(""), &out, &errors)
		return result{code, out.String(), errors.String()}
	}
	if r := check(file, "--public-key", key); r.code != cli.ExitOK || !strings.Contains(r.out, "3 versions") || strings.Contains(r.out, "NOT one that you trust") || !strings.Contains(r.out, "1 of 2 information texts") {
		t.Errorf("got %+v of good evidence", r)
	}
	if r := check(file); r.code != cli.ExitOK || !strings.Contains(r.out, "NOT one that you trust") {
		t.Errorf("got %+v without a key", r)
	}
	other, _ := operatorOn(t)
	if r := check(file, "--public-key", other.must("", "events", "key")); r.code != cli.ExitDamaged {
		t.Errorf("got %+v with the key of another gateway", r)
	}
	if r := check(file, "--public-key", "nonsense"); r.code != cli.ExitUsage {
		t.Errorf("got %+v with a key that is none", r)
	}
	if r := check(file + "x"); r.code != cli.ExitUsage {
		t.Errorf("got %+v of no file", r)
	}
	// Any byte, anywhere: all of those around the signed part, and many within it.
	tail := strings.LastIndex(out, evidenceJoin)
	for i := 0; i < len(out); i++ {
		b := []byte(out)
		b[i] ^= byte(1 + i%2*31)
		if _, _, err := openEvidence(b, nil); err == nil {
			t.Fatalf("byte %d was changed from %q to %q, and nobody saw it", i, out[i], b[i])
		}
		if i > 32 && i < tail {
			i += 16
		}
	}
	for name, bad := range map[string]string{
		"a byte behind it": out + "\n", "a byte before it": " " + out, "a part": out[:len(out)/2], "nothing": "",
		"a note": evidenceHead + "{}" + evidenceJoin + "{}" + evidenceTail,
	} {
		if r := check(configtest.Write(t, filepath.Join(t.TempDir(), "bad.json"), bad)); r.code != cli.ExitDamaged {
			t.Errorf("%s: got %+v", name, r)
		}
	}
	// Making it is on record, with the person it is about.
	if r := o.must(testBSN, "report", "recipients"); !strings.Contains(r, "[]") {
		t.Errorf("got recipients %s", r)
	}
	o.drain()
	if got := o.must(testBSN, "events", "export", "--patient"); strings.Count(got, `"reason":"evidence"`) != 2 {
		t.Errorf("got no event of the evidence that was made, and of the try before:\n%s", got)
	}
	var named strings.Builder
	if code := run(t.Context(), []string{"consent", "evidence", "--identify", "--config", o.config}, strings.NewReader(testBSN), &named, &named); code != cli.ExitOK || !strings.Contains(named.String(), testBSN) {
		t.Errorf("got exit code %d, and the person is not named though it was asked for", code)
	}
}

func TestEvidenceIsNoCheckpoint(t *testing.T) {
	o, _ := operatorOn(t)
	s, err := config.Load(o.config)
	if err != nil {
		t.Fatal(err)
	}
	o.must(testBSN, "consent", "put", "--record", o.record(goodGrant))
	o.drain()
	out := o.must(testBSN, "consent", "evidence")
	var file struct{ Signature evidenceSignature }
	if err := json.Unmarshal([]byte(out), &file); err != nil {
		t.Fatal(err)
	}
	name := configtest.Write(t, filepath.Join(t.TempDir(), "note"), file.Signature.Note)
	o.fails(cli.ExitUsage, "not a checkpoint", "", "events", "verify", "--checkpoint", name, "--folder", s.ArchiveFolder)
}

// TestEvidenceThatContradictsItself: a signature shows who made a file, not that it is true. A contradictory one is refused, whoever signed
// it.
func TestEvidenceThatContradictsItself(t *testing.T) {
	key, err := audit.NewCheckpointKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	good := func() evidence {
		version := func(generation uint64, entry, previous string) evidenceVersion {
			sum := sha256.Sum256([]byte(entry))
			v := evidenceVersion{Hash: hex.EncodeToString(sum[:]), Previous: previous, Entry: []byte(entry)}
			v.Generation = generation
			return v
		}
		first := version(1, "first", "")
		text := sha256.Sum256([]byte("what was shown"))
		return evidence{
			Format: evidenceFormat, Versions: []evidenceVersion{first, version(2, "second", first.Hash)},
			Texts: []evidenceText{{Information: consent.Information{SHA256: hex.EncodeToString(text[:])}, Text: "what was shown"}},
		}
	}
	for name, tt := range map[string]struct {
		change func(*evidence)
		fine   bool
	}{
		"as it is":                             {func(*evidence) {}, true},
		"another text":                         {func(e *evidence) { e.Texts[0].Text = "what was not shown" }, false},
		"a text that is not at hand":           {func(e *evidence) { e.Texts[0].Text = "" }, true},
		"another entry":                        {func(e *evidence) { e.Versions[1].Entry = []byte("another") }, false},
		"a version that follows no other":      {func(e *evidence) { e.Versions[1].Previous = e.Versions[1].Hash }, false},
		"the first version left out":           {func(e *evidence) { e.Versions = e.Versions[1:] }, false},
		"a first version that follows another": {func(e *evidence) { e.Versions[0].Previous = e.Versions[1].Hash }, false},
		"a version number left out":            {func(e *evidence) { e.Versions[1].Generation = 3 }, false},
		"no versions":                          {func(e *evidence) { e.Versions = nil }, false},
		"another form":                         {func(e *evidence) { e.Format = "another" }, false},
	} {
		e := good()
		tt.change(&e)
		file, err := sealEvidence(e, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := openEvidence(file, []audit.PublicKey{key.PublicKey}); (err == nil) != tt.fine {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
