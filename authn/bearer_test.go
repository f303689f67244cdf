package authn_test

import (
	"errors"
	"net/http"
	"testing"

	"zorgsluis/authn"
	"zorgsluis/policy"
)

func TestBearerToken(t *testing.T) {
	header := func(values ...string) http.Header { return http.Header{"Authorization": values} }
	tests := []struct {
		name   string
		header http.Header
		query  string
		want   string
		reason policy.Reason
	}{
		{"a token", header("Bearer abc.def-_~+/=="), "", "abc.def-_~+/==", ""},
		{"the scheme in lower case", header("bearer abc"), "", "abc", ""},
		{"the scheme in capitals", header("BEARER abc"), "", "abc", ""},
		{"other parameters beside", header("Bearer abc"), "patient=1&token=2&access_token2=3", "abc", ""},
		{"TK-13 two headers", header("Bearer abc", "Bearer def"), "", "", authn.ReasonRequestRepeated},
		{"TK-13 the same twice", header("Bearer abc", "Bearer abc"), "", "", authn.ReasonRequestRepeated},
		{"TK-13 an empty second one", header("Bearer abc", ""), "", "", authn.ReasonRequestRepeated},
		{"TK-13 two spellings of the name", http.Header{"Authorization": {"Bearer abc"}, "authorization": {"Bearer def"}}, "", "", authn.ReasonRequestRepeated},
		{"TK-13 a list", header("Bearer abc, Bearer def"), "", "", authn.ReasonRequestRepeated},
		{"TK-13 a list without spaces", header("Bearer abc,def"), "", "", authn.ReasonRequestRepeated},
		{"TK-13 Basic", header("Basic dXNlcjpwYXNz"), "", "", authn.ReasonRequestScheme},
		{"DPoP", header("DPoP abc"), "", "abc", ""},
		{"DPoP in lower case", header("dpop abc"), "", "abc", ""},
		{"TK-12 DPoP and Bearer", header("DPoP abc", "Bearer abc"), "", "", authn.ReasonRequestRepeated},
		{"TK-12 DPoP and Bearer in one", header("DPoP abc, Bearer abc"), "", "", authn.ReasonRequestRepeated},
		{"no scheme", header("abc.def.ghi"), "", "", authn.ReasonRequestScheme},
		{"a scheme that starts like it", header("BearerX abc"), "", "", authn.ReasonRequestScheme},
		{"an empty header", header(""), "", "", authn.ReasonRequestScheme},
		{"a space before", header(" Bearer abc"), "", "", authn.ReasonRequestScheme},
		{"HT-13 a tab after", header("Bearer\tabc"), "", "", authn.ReasonRequestScheme},
		{"no token", header("Bearer"), "", "", authn.ReasonRequestForm},
		{"an empty token", header("Bearer "), "", "", authn.ReasonRequestForm},
		{"two spaces", header("Bearer  abc"), "", "", authn.ReasonRequestForm},
		{"a space after", header("Bearer abc "), "", "", authn.ReasonRequestForm},
		{"two words", header("Bearer abc def"), "", "", authn.ReasonRequestForm},
		{"only padding", header("Bearer =="), "", "", authn.ReasonRequestForm},
		{"padding within", header("Bearer a=b"), "", "", authn.ReasonRequestForm},
		{"a quoted token", header(`Bearer "abc"`), "", "", authn.ReasonRequestForm},
		{"a line break", header("Bearer abc\r\nX: y"), "", "", authn.ReasonRequestForm},
		{"not ASCII", header("Bearer abć"), "", "", authn.ReasonRequestForm},
		{"TK-13 in the query", nil, "access_token=abc", "", authn.ReasonRequestQuery},
		{"TK-13 in the query and the header", header("Bearer abc"), "x=1&access_token=abc", "", authn.ReasonRequestQuery},
		{"TK-13 in the query, escaped", header("Bearer abc"), "access%5ftoken=abc", "", authn.ReasonRequestQuery},
		{"TK-13 in the query, in capitals", header("Bearer abc"), "ACCESS_TOKEN=abc", "", authn.ReasonRequestQuery},
		{"TK-13 in the query, after a semicolon", header("Bearer abc"), "x=1;access_token=abc", "", authn.ReasonRequestQuery},
		{"TK-13 in the query, without a value", header("Bearer abc"), "access_token", "", authn.ReasonRequestQuery},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := authn.BearerToken(test.header, test.query)
			if got != test.want {
				t.Errorf("token is %q, want %q", got, test.want)
			}
			if test.reason == "" {
				if err != nil {
					t.Errorf("error is %v", err)
				}
				return
			}
			var refusal *authn.Error
			if !errors.As(err, &refusal) || refusal.Code != authn.CodeInvalidRequest || refusal.Reason != test.reason {
				t.Errorf("error is %v, want invalid_request, %s", err, test.reason)
			}
			want := `Bearer error="invalid_request", error_description="The request must carry one access token, in the Authorization header"`
			if got := authn.Challenge(err); got != want {
				t.Errorf("challenge is %s, want %s", got, want)
			}
		})
	}
}

func TestNoCredentialsIsNoError(t *testing.T) {
	_, err := authn.BearerToken(http.Header{"Cookie": {"access_token=abc"}}, "")
	if !errors.Is(err, authn.ErrNoToken) {
		t.Fatalf("error is %v, want ErrNoToken", err)
	}
	if got := authn.Challenge(err); got != `Bearer, DPoP algs="ES256 ES384 PS256 EdDSA"` {
		t.Errorf("challenge is %s, want both schemes without an error", got)
	}
}
