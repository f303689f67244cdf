//go:build !release

package demo

import (
	"context"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// openIDProvider is the OpenID provider of an Issuer: discovery, keys, and tokens by client_credentials. op itself answers everything else, as
// not implemented.
type openIDProvider struct {
	op.UnimplementedServer
	issuer *Issuer
}

func tokenEndpoint() *op.Endpoint { return op.NewEndpoint("oauth/token") }
func keysEndpoint() *op.Endpoint  { return op.NewEndpoint("keys") }

// handler serves all of the issuer. When it is down, it aborts, which closes the connection.
func (i *Issuer) handler() http.Handler {
	next := op.RegisterServer(&openIDProvider{issuer: i}, op.Endpoints{Token: tokenEndpoint(), JwksURI: keysEndpoint()},
		op.WithFallbackLogger(slog.New(slog.DiscardHandler)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == keysEndpoint().Relative() {
			i.fetches.Add(1)
		}
		if i.down.Load() {
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

// Discovery implements op.Server (OpenID Connect Discovery 1.0 §4).
func (p *openIDProvider) Discovery(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	return op.NewResponse(&oidc.DiscoveryConfiguration{
		Issuer:                            p.issuer.url,
		TokenEndpoint:                     p.issuer.TokenURL(),
		JwksURI:                           keysEndpoint().Absolute(p.issuer.url),
		GrantTypesSupported:               []oidc.GrantType{oidc.GrantTypeClientCredentials},
		TokenEndpointAuthMethodsSupported: []oidc.AuthMethod{oidc.AuthMethodPost, oidc.AuthMethodBasic},
		IDTokenSigningAlgValuesSupported:  []string{p.issuer.options.Algorithm},
		ResponseTypesSupported:            []string{"none"}, // there is no authorization endpoint
		SubjectTypesSupported:             []string{"public"},
	}), nil
}

// Keys implements op.Server: the public halves of the issuer's keys (RFC 7517).
func (p *openIDProvider) Keys(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	p.issuer.mu.Lock()
	defer p.issuer.mu.Unlock()
	set := jose.JSONWebKeySet{}
	for _, key := range p.issuer.keys {
		set.Keys = append(set.Keys, key.Public())
	}
	return op.NewResponse(&set), nil
}

// Health implements op.Server.
func (p *openIDProvider) Health(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	return op.NewResponse(op.Status{Status: "ok"}), nil
}

// VerifyClient implements op.Server: each caller is its own client.
func (p *openIDProvider) VerifyClient(_ context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	for _, caller := range p.issuer.options.Callers {
		if caller.ClientID == r.Data.ClientID && subtle.ConstantTimeCompare([]byte(r.Data.ClientSecret), []byte(Secret)) == 1 {
			return callerClient{Caller: caller}, nil
		}
	}
	return nil, oidc.ErrInvalidClient().WithDescription("unknown client id or wrong secret")
}

// ClientCredentialsExchange implements op.Server: the token of the caller whose client this is (RFC 6749 §4.4).
func (p *openIDProvider) ClientCredentialsExchange(
	_ context.Context, r *op.ClientRequest[oidc.ClientCredentialsRequest],
) (*op.Response, error) {
	client, ok := r.Client.(callerClient)
	if !ok {
		return nil, oidc.ErrInvalidClient()
	}
	token, err := p.issuer.Token(client.Claims)
	if err != nil {
		return nil, oidc.ErrServerError().WithParent(err)
	}
	return op.NewResponse(&oidc.AccessTokenResponse{
		AccessToken: token,
		TokenType:   oidc.BearerToken,
		ExpiresIn:   uint64(p.issuer.options.Lifetime / time.Second),
	}), nil
}

// callerClient is a caller as op.Client. For a client whose only grant is client_credentials, op calls only the three methods below; GrantTypes
// refuses any other grant before the embedded interface, which is nil, is needed.
type callerClient struct {
	op.Client
	Caller
}

// GetID implements op.Client.
func (c callerClient) GetID() string { return c.ClientID }

// AuthMethod implements op.Client.
func (c callerClient) AuthMethod() oidc.AuthMethod { return oidc.AuthMethodPost }

// GrantTypes implements op.Client.
func (c callerClient) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeClientCredentials}
}
