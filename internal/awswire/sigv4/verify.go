package sigv4

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// maxSkew is how far the clock of a caller may be off.
const maxSkew = 5 * time.Minute

// Check is what a signature is verified against.
type Check struct {
	Secret  string   // of the access key
	Body    []byte   // all of it
	Headers []string // the headers that the operation reads members from, in lower case
	Now     time.Time
}

// Verify returns nil if the signature is that of the request, by the holder of
// the secret, for this time; otherwise a *Refusal. R must be the request that
// Parse was given.
func (s *Signature) Verify(r *http.Request, c Check) error {
	if err := s.checkTime(c.Now); err != nil {
		return err
	}
	if err := s.checkHeaders(r, c.Headers); err != nil {
		return err
	}
	digest := sha256.Sum256(c.Body)
	hash := hex.EncodeToString(digest[:])
	if err := s.checkHash(r, hash); err != nil {
		return err
	}
	want, err := s.sign(r, c, hash)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(s.signature)) != 1 {
		return &Refusal{
			Exception: InvalidSignature,
			Text: "The request signature we calculated does not match the signature you provided. " +
				"Check your secret access key and signing method.",
		}
	}
	return nil
}

func (s *Signature) checkTime(now time.Time) error {
	validity := maxSkew
	if s.presigned {
		validity = s.expires
	}
	text := ""
	switch earliest, latest := now.Add(-validity), now.Add(maxSkew); {
	case s.Time.Before(earliest):
		text = fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %s)",
			stamp(s.Time), stamp(earliest), stamp(now), validity)
	case s.Time.After(latest):
		text = fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %s)",
			stamp(s.Time), stamp(latest), stamp(now), maxSkew)
	default:
		return nil
	}
	return &Refusal{Exception: InvalidSignature, Text: text}
}

func stamp(t time.Time) string { return t.UTC().Format(timeLayout) }

// checkHeaders refuses a header that the server acts on and that is not
// signed, or that is there twice, so that two readers could see two values.
func (s *Signature) checkHeaders(r *http.Request, members []string) error {
	for _, name := range slices.Concat(members, []string{"x-amz-content-sha256", "x-amz-date"}) {
		switch n := len(r.Header.Values(name)); {
		case n > 1:
			return incomplete("Header " + name + " is given more than once")
		case n == 1 && !slices.Contains(s.signedHeaders, name):
			return incomplete("Header " + name + " must be signed")
		}
	}
	for _, name := range s.signedHeaders {
		if name == "host" {
			continue
		}
		if len(r.Header.Values(name)) == 0 {
			return incomplete("Header " + name + " is signed, but not in the request")
		}
	}
	return nil
}

// checkHash compares the hash that the caller states, if it does, with that of
// the body. Bodies that are not signed, or in signed pieces, state something
// else.
func (s *Signature) checkHash(r *http.Request, hash string) error {
	stated := slices.Concat(r.Header.Values("X-Amz-Content-Sha256"), s.Query["X-Amz-Content-Sha256"])
	for _, text := range stated {
		switch {
		case text == hash:
		case text == "UNSIGNED-PAYLOAD", strings.HasPrefix(text, "STREAMING-"):
			return incomplete("The body must be signed as a whole")
		default:
			return &Refusal{Exception: InvalidSignature, Text: "X-Amz-Content-Sha256 is not the hash of the body"}
		}
	}
	return nil
}

// sign returns the signature that the request must have.
//
// The signer is made anew each time: the one of the SDK keeps derived keys by
// access key id, so it would keep those of a secret that is not the key's, and
// one for every region that a stranger makes up.
func (s *Signature) sign(r *http.Request, c Check, hash string) (string, error) {
	fresh := s.request(r, len(c.Body))
	credentials := aws.Credentials{AccessKeyID: s.AccessKeyID, SecretAccessKey: c.Secret}
	options := func(o *v4.SignerOptions) { o.DisableHeaderHoisting = true }
	signer := v4.NewSigner(options)
	ctx := context.Background()

	var signed, signature string
	if s.presigned {
		uri, _, err := signer.PresignHTTP(ctx, credentials, fresh, hash, s.Scope.Service, s.Scope.Region, s.Time)
		if err != nil {
			return "", fmt.Errorf("sign: %w", err)
		}
		_, query, _ := strings.Cut(uri, "?")
		parameters, err := url.ParseQuery(query)
		if err != nil {
			return "", fmt.Errorf("sign: %w", err)
		}
		signed, signature = parameters.Get("X-Amz-SignedHeaders"), parameters.Get("X-Amz-Signature")
	} else {
		err := signer.SignHTTP(ctx, credentials, fresh, hash, s.Scope.Service, s.Scope.Region, s.Time)
		if err != nil {
			return "", fmt.Errorf("sign: %w", err)
		}
		authorization := fresh.Header.Get("Authorization")
		_, signed, _ = strings.Cut(authorization, "SignedHeaders=")
		signed, signature, _ = strings.Cut(signed, ", Signature=")
	}
	if signed != strings.Join(s.signedHeaders, ";") {
		return "", incomplete("SignedHeaders names a header that cannot be signed")
	}
	return signature, nil
}

// request returns the request that is signed again. Its headers have names in
// lower case, which keeps the signer from leaving out those that it does not
// sign by itself but other clients do.
func (s *Signature) request(r *http.Request, bodySize int) *http.Request {
	query := maps.Clone(s.Query)
	delete(query, "X-Amz-Signature")
	fresh := &http.Request{
		Method: r.Method,
		Host:   r.Host,
		URL:    &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query.Encode()},
		Header: http.Header{},
	}
	for _, name := range s.signedHeaders {
		switch name {
		case "host":
		case "x-amz-date": // in the header form the signer sets it
			if s.presigned {
				fresh.Header[name] = r.Header.Values(name)
			}
		case "content-length":
			fresh.ContentLength = int64(bodySize)
		default:
			fresh.Header[name] = slices.Clone(r.Header.Values(name))
		}
	}
	return fresh
}
