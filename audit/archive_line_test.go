package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ordinary is an event of a permitted read.
func ordinary() []byte {
	return Event{
		ID: "00-0123456789abcdef0123456789abcdef", Version: SchemaVersion, Kind: KindAccess, Request: "0f8e7c1a-4d3b-4c7e-9a61-52b0d3a8f7e4",
		Person: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Outcome: OutcomePermit, Reason: "ok-consent", Source: "hospital",
		Interaction: "read", Type: "Observation", Query: "Observation/o-1", Disclosed: []string{"Observation/o-1"}, Generation: 3,
		Actor: Actor{
			Issuer: "https://idp.example", Subject: "5ff6b2d1-7f6d", Client: "viewer", Token: "5bcb1f3e", Kind: "provider", Name: "dr. Bench",
			Organization: "http://fhir.nl/fhir/NamingSystem/ura|90000001", Practitioner: "http://fhir.nl/fhir/NamingSystem/uzi-nr-pers|900000001",
			Roles: []string{"01.015"}, Assurance: "substantial", Relationship: "treating", Purpose: "TREAT", Channel: "regional",
		},
		Address: "10.0.0.7", Policy: strings.Repeat("a1", 32),
	}.Marshal()
}

// TestIsLine changes every byte of an event, and wants the answer of encoding/json.
func TestIsLine(t *testing.T) {
	lines := [][]byte{
		ordinary(), []byte(`{"a":"\\"}`), []byte(`{"a":"\"","b":["é",1.5e3,null,true]}`), []byte(`{"a":{}} `), nil, []byte("{\n}"), []byte(`""`),
		[]byte(`{"a":["b","c"],"d":{"e":10,"f":{"g":"h"}},"i":[]}`),
	}
	check := func(b []byte) {
		t.Helper()
		if got, want := isLine(b), json.Valid(b) && !bytes.ContainsAny(b, "\r\n"); got != want {
			t.Fatalf("got %v, want %v for %q", got, want, b)
		}
	}
	for _, line := range lines {
		check(line)
		for i := range line {
			check(slices.Delete(slices.Clone(line), i, i+1))
			for _, c := range []byte("\"\\{}[]:,a01 \n\r\t\x00\x7f\xff") {
				check(slices.Insert(slices.Clone(line), i, c))
				altered := slices.Clone(line)
				altered[i] = c
				check(altered)
			}
		}
	}
	check([]byte(strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000))) // deeper than encoding/json goes
}

// TestMarshalIsSkipped: the archive asks json.Valid about no ordinary event.
func TestMarshalIsSkipped(t *testing.T) {
	event := ordinary()
	if got, want := skipObject(event, 0, 1), len(event); got != want {
		t.Errorf("got %d, want %d of %s", got, want, event)
	}
}

// TestPlainPrefix puts every byte at every place of texts of some words.
func TestPlainPrefix(t *testing.T) {
	for length := range 26 {
		text := []byte(strings.Repeat("~", length))
		for place := range length {
			for c := range 256 {
				text[place] = byte(c)
				want := length
				if c < ' ' || c > '~' || c == '"' || c == '\\' {
					want = place
				}
				if got := plainPrefix(text); got != want {
					t.Fatalf("byte %#x at %d of %d: got %d, want %d", c, place, length, got, want)
				}
				if got := plainPrefix(string(append(text, '"'))); got != want {
					t.Fatalf("byte %#x at %d before a quote at %d: got %d, want %d", c, place, length, got, want)
				}
			}
			text[place] = "~! #[]0z"[place%8] // beside every limit
		}
	}
}

// TestReadLine reads lines longer than the buffer.
func TestReadLine(t *testing.T) {
	const most = 64
	text := "short\n\n0123456789abcde\n0123456789abcdef\n" + strings.Repeat("long ", 12) + "\nthe tail"
	r := bufio.NewReaderSize(strings.NewReader(text), 16)
	for _, want := range strings.SplitAfter(text, "\n") {
		got, err := readLine(r, most)
		want, whole := strings.CutSuffix(want, "\n")
		if string(got) != want || whole != (err == nil) || !whole && !errors.Is(err, io.EOF) {
			t.Fatalf("got %q and error %v, want %q", got, err, want)
		}
	}
	if _, err := readLine(bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", 200)+"\n"), 16), most); !errors.As(err, new(errLine)) {
		t.Errorf("too long: got error %v, want errLine", err)
	}
}

// BenchmarkArchive is what one event costs the archive, without its disk and its outbox.
func BenchmarkArchive(b *testing.B) {
	const batch = 128
	a, outbox, payload := smallArchive(b, newMemDisk()), newMemOutbox(b, 1), ordinary()
	a.Batch, a.SegmentBytes, a.CheckpointEvents = batch, 1<<40, 1<<40
	b.ReportAllocs()
	position := 0
	for b.Loop() {
		for range batch {
			position++
			outbox.shards[0] = append(outbox.shards[0], Entry{Position: strconv.Itoa(1700000000000+position) + "-0", Payload: payload})
		}
		if moved, _, err := a.round(b.Context(), outbox); err != nil || moved != batch {
			b.Fatalf("moved %d, %v", moved, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/event")
}
