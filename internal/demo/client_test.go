package demo_test

import (
	"testing"

	"golang.org/x/oauth2/clientcredentials"

	"zorgsluis/internal/demo"
)

// TestAnOAuthClientGetsAToken: the issuer works with an ordinary OAuth client.
func TestAnOAuthClientGetsAToken(t *testing.T) {
	i := startIssuer(t, demo.IssuerOptions{})
	client := clientcredentials.Config{ClientID: demo.GP().ClientID, ClientSecret: demo.Secret, TokenURL: i.TokenURL()}
	token, err := client.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if verified, err := verify(t, i, token.AccessToken); err != nil || verified.Subject != demo.GP().Claims.Subject || !token.Valid() {
		t.Errorf("got %v, %v", verified, err)
	}
}
