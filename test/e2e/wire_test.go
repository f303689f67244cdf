package e2e_test

import (
	"bufio"
	"crypto/elliptic"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestCredentialsOnTheWire sends what no client library would: folded lines, names and values with forbidden bytes, credentials in unexpected
// places. Either the gate sees one whole token, or there is none.
func TestCredentialsOnTheWire(t *testing.T) {
	t.Parallel()
	w, table, _, configured := newCredentials(t)
	g, _ := w.start(configured...)
	good := table.sign(table.header, table.claim)
	half := len(good) / 2
	read := "GET " + labD.path + " HTTP/1.1\r\n"
	const search = "POST /fhir/demo/Observation/_search HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	for _, tt := range []struct {
		name, start, header, body string
		status                    int
		reason                    string // "": the request did not reach the gate
	}{
		{"a line that goes on is one (RFC 9112 §5.2)", read, "Authorization: Bearer\r\n " + good + "\r\n", "", 200, "ok-consent"},
		{"a line that goes on within the token", read, "Authorization: Bearer " + good[:half] + "\r\n " + good[half:] + "\r\n", "", 400, "authorization-malformed"},
		{"a line of another header that goes on", read, "X-A: b\r\n Authorization: Bearer " + good + "\r\n", "", 401, "token-missing"},
		{"white space before the colon", read, "Authorization : Bearer " + good + "\r\n", "", 400, ""},
		{"a NUL behind the token", read, "Authorization: Bearer " + good + "\x00\r\n", "", 400, ""},
		{"a line that ends within the token", read, "Authorization: Bearer " + good + "\rX: y\r\n", "", 400, ""},
		{"a line without a name", read, ": Bearer " + good + "\r\n", "", 400, ""},
		{"two names that differ in case", read, "authorization: Bearer " + good + "\r\nAUTHORIZATION: Bearer " + good + "\r\n", "", 400, "authorization-repeated"},
		{"a second one that is empty", read, "Authorization: Bearer " + good + "\r\nAuthorization:\r\n", "", 400, "authorization-repeated"},
		{"a tab behind the scheme", read, "Authorization: Bearer\t" + good + "\r\n", "", 400, "authorization-scheme"},
		{"in a trailer", search, "Trailer: Authorization\r\nTransfer-Encoding: chunked\r\n", "12\r\npatient=PATIENT-D1\r\n0\r\nAuthorization: Bearer " + good + "\r\n\r\n", 401, "token-missing"},
		{"in the body (RFC 6750 §2.2)", search, "Content-Length: " + fmt.Sprint(len("access_token="+good)) + "\r\n", "access_token=" + good, 400, "request-refused"},
		{"in the query (RFC 6750 §2.3)", "GET " + labD.path + "?access_token=" + good + " HTTP/1.1\r\n", "", "", 400, "request-refused"},
		{"in the address", "GET http://user:" + good + "@127.0.0.1" + labD.path + " HTTP/1.1\r\n", "", "", 0, ""},
	} {
		w.source.Reset()
		r := reply{id: uuid()}
		r.status = g.wire(t, tt.start+"Host: 127.0.0.1\r\nX-Request-Id: "+r.id+"\r\nConnection: close\r\n"+tt.header+"\r\n"+tt.body)
		if tt.status == 0 && r.status >= 400 {
			tt.status = r.status // refused by the first part that sees it
		}
		if r.status != tt.status {
			t.Errorf("%s: got status %d, want %d", tt.name, r.status, tt.status)
		}
		events := w.eventsOf(r.id)
		if tt.reason == "" && len(events) > 1 || tt.reason != "" && (len(events) != 1 || string(events[0].Reason) != tt.reason) {
			t.Errorf("%s: got %d events %v, want one that says %q", tt.name, len(events), w.told(r.id), tt.reason)
		}
		if n := len(w.source.Requests()); (n > 0) != (tt.status == http.StatusOK) {
			t.Errorf("%s: the source was asked %d times", tt.name, n)
		}
	}
	if log := g.out.String(); strings.Contains(log, good[:60]) || strings.Contains(log, good[len(good)-20:]) {
		t.Error("the log holds a token")
	}
}

// wire sends bytes and returns the status of the answer.
func (g *gateway) wire(t *testing.T, raw string) int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(endWithin))
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// TestAnotherSignatureIsNoOtherProof: anybody can make a second valid signature from an ECDSA signature. A token with it is the same token, and
// a proof with it counts as used before.
func TestAnotherSignatureIsNoOtherProof(t *testing.T) {
	t.Parallel()
	w, table, _, configured := newCredentials(t)
	g, _ := w.start(configured...)
	table.target = g.base + labD.path
	other := func(signed string) string {
		at := strings.LastIndex(signed, ".") + 1
		raw, err := base64.RawURLEncoding.DecodeString(signed[at:])
		if err != nil {
			t.Fatal(err)
		}
		s := new(big.Int).SetBytes(raw[32:])
		s.Sub(elliptic.P256().Params().N, s).FillBytes(raw[32:])
		return signed[:at] + b64(raw)
	}
	free, token := table.sign(table.header, table.claim), table.bound(table.jkt())
	w.wantEvent(g.ask(demo.Caller{}, credentialed(http.Header{"Authorization": {"Bearer " + other(free)}})).wantStatus(t, http.StatusOK, "the same claims"), audit.OutcomePermit, "ok-consent")
	proof := table.proof(token, nil, nil)
	with := func(token, proof string) question {
		return credentialed(http.Header{"Authorization": {"DPoP " + token}, "Dpop": {proof}})
	}
	g.ask(demo.Caller{}, with(token, proof)).wantStatus(t, http.StatusOK, "a proof")
	w.wantEvent(g.ask(demo.Caller{}, with(token, other(proof))).wantStatus(t, http.StatusUnauthorized, "with the other signature"), audit.OutcomeDeny, "proof-replayed")
	w.wantEvent(g.ask(demo.Caller{}, with(other(token), table.proof(token, nil, nil))).wantStatus(t, http.StatusUnauthorized, "a proof for the token with the first signature"), audit.OutcomeDeny, "proof-token")
}
