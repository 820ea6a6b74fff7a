// Package sigv4 verifies AWS Signature Version 4 on requests, in the
// Authorization header and in the query ("presigned") form.
//
// A request is verified by signing a fresh one with the reference signer of
// the AWS SDK: the escaped path as received, encoded once more; the query; and
// exactly the headers named in SignedHeaders. Whatever the caller could use to
// have one thing signed and another one read is refused before that.
//
// Source: AWS, "Signature Version 4 signing process" and "Authenticating
// Requests: Using Query Parameters".
package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The exceptions that clients of AWS know; all are answered with status 403.
const (
	MissingToken        = "MissingAuthenticationTokenException" // the request is not signed
	IncompleteSignature = "IncompleteSignatureException"        // the signature breaks a rule of form
	UnrecognizedClient  = "UnrecognizedClientException"         // the key is not known, or not of a kind that is served
	InvalidSignature    = "InvalidSignatureException"           // the signature does not fit, or its time is over
	ExpiredToken        = "ExpiredTokenException"               // the session that the token is of is over
)

// Refusal is why a request is not authentic. The text is for the caller.
type Refusal struct {
	Exception string
	Text      string
}

// Error returns the exception and the text.
func (r *Refusal) Error() string { return r.Exception + ": " + r.Text }

func incomplete(text string) error { return &Refusal{Exception: IncompleteSignature, Text: text} }

// Limits on what is looked at before a signature is known to be good.
const (
	maxAuthorization = 4096
	maxSignedHeaders = 64
	maxToken         = 16 << 10
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeLayout = "20060102T150405Z"
	terminator = "aws4_request"
)

// Scope is the credential scope of a signature.
type Scope struct {
	Date    string // YYYYMMDD, UTC
	Region  string
	Service string
}

// Signature is what a request says about its own signature. Nothing in it is
// verified until Verify has returned nil.
type Signature struct {
	AccessKeyID string
	Token       string // of a session; "" when none is given
	Scope       Scope
	Time        time.Time
	Query       url.Values // the query of the request, decoded

	presigned     bool
	expires       time.Duration // presigned only
	signedHeaders []string      // lower case, in order, each once
	signature     string        // 64 hex digits
}

// Parse reads the signature of a request and checks its form. It returns a
// *Refusal for a request without signature, with two, or with one that breaks
// a rule.
func Parse(r *http.Request) (*Signature, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, incomplete("The query string is malformed")
	}
	authorization, presigned := r.Header.Values("Authorization"), inQuery(query)
	s := &Signature{Query: query, presigned: presigned}
	switch {
	case len(authorization) == 0 && !presigned:
		return nil, &Refusal{Exception: MissingToken, Text: "Missing Authentication Token"}
	case len(authorization) > 0 && presigned:
		return nil, incomplete("The request is signed both in its header and in its query")
	case len(authorization) > 1:
		return nil, incomplete("The Authorization header is given more than once")
	case presigned:
		err = s.fromQuery(query)
	default:
		err = s.fromHeader(authorization[0], r.Header)
	}
	if err == nil {
		err = s.readToken(r.Header)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// readToken takes over the session token, which stands where the signature
// does.
func (s *Signature) readToken(header http.Header) error {
	inHeader, inQuery := header.Values(tokenName), s.Query[tokenName]
	tokens, elsewhere := inHeader, inQuery
	if s.presigned {
		tokens, elsewhere = inQuery, inHeader
	}
	switch {
	case len(elsewhere) > 0:
		return incomplete(tokenName + " must stand where the signature does")
	case len(tokens) > 1:
		return incomplete(tokenName + " is given more than once")
	case len(tokens) == 0:
		return nil
	case tokens[0] == "" || len(tokens[0]) > maxToken:
		return &Refusal{Exception: UnrecognizedClient, Text: "The security token included in the request is invalid."}
	case !s.presigned && !slices.Contains(s.signedHeaders, strings.ToLower(tokenName)):
		return incomplete("Header " + strings.ToLower(tokenName) + " must be signed")
	}
	s.Token = tokens[0]
	return nil
}

// tokenName is the header, or the query parameter, of a session token.
const tokenName = "X-Amz-Security-Token"

// parameters are the query parameters of a presigned request.
var parameters = []string{
	"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
}

// inQuery reports whether a query has any parameter of a signature, in any
// case: one that is spelt differently is refused later, not overlooked.
func inQuery(query url.Values) bool {
	for name := range query {
		if slices.ContainsFunc(parameters, func(p string) bool { return strings.EqualFold(p, name) }) {
			return true
		}
	}
	return false
}

func (s *Signature) fromQuery(query url.Values) error {
	for _, name := range parameters {
		if len(query[name]) != 1 {
			return incomplete("Query parameter " + name + " must be given once")
		}
	}
	if query.Get("X-Amz-Algorithm") != algorithm {
		return incomplete("The algorithm must be " + algorithm)
	}
	seconds, err := strconv.ParseUint(query.Get("X-Amz-Expires"), 10, 32)
	if err != nil || seconds == 0 || seconds > maxExpires {
		return incomplete("X-Amz-Expires must be a number of seconds from 1 to 604800")
	}
	s.expires = time.Duration(seconds) * time.Second
	return s.fill(fields{
		credential:    query.Get("X-Amz-Credential"),
		signedHeaders: query.Get("X-Amz-SignedHeaders"),
		signature:     query.Get("X-Amz-Signature"),
		date:          query.Get("X-Amz-Date"),
	})
}

// maxExpires is the longest validity of a presigned request: seven days.
const maxExpires = 7 * 24 * 60 * 60

func (s *Signature) fromHeader(authorization string, header http.Header) error {
	if len(authorization) > maxAuthorization {
		return incomplete("The Authorization header is too long")
	}
	scheme, rest, _ := strings.Cut(authorization, " ")
	switch {
	case !strings.HasPrefix(scheme, "AWS4-"):
		return &Refusal{Exception: MissingToken, Text: "Missing Authentication Token"}
	case scheme != algorithm:
		return incomplete("The algorithm must be " + algorithm)
	}
	dates := header.Values("X-Amz-Date")
	if len(dates) != 1 {
		return incomplete("Header X-Amz-Date must be given once")
	}
	f := fields{date: dates[0]}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		to := f.byName(name)
		if to == nil || *to != "" || value == "" {
			return incomplete("The Authorization header must have Credential, SignedHeaders and Signature, each once")
		}
		*to = value
	}
	if f.credential == "" || f.signedHeaders == "" || f.signature == "" {
		return incomplete("The Authorization header must have Credential, SignedHeaders and Signature, each once")
	}
	if err := s.fill(f); err != nil {
		return err
	}
	if !slices.Contains(s.signedHeaders, "x-amz-date") {
		return incomplete("Header X-Amz-Date must be signed")
	}
	return nil
}

// fields are the texts of a signature, from either form.
type fields struct {
	credential, signedHeaders, signature, date string
}

func (f *fields) byName(name string) *string {
	switch name {
	case "Credential":
		return &f.credential
	case "SignedHeaders":
		return &f.signedHeaders
	case "Signature":
		return &f.signature
	}
	return nil
}

// form is what a field may look like: from so many characters of a set to so
// many. Every call is held to several, in a tenth of the time that regular
// expressions take.
type form struct {
	least, most int
	set         string
}

func (f form) fits(text string) bool {
	return len(text) >= f.least && len(text) <= f.most && strings.TrimLeft(text, f.set) == ""
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyz"
	big     = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

var (
	keyIDForm     = form{1, 128, digits + letters + big + "_.-"}
	scopeNameForm = form{1, 32, digits + letters + "-"}
	signatureForm = form{64, 64, digits + "abcdef"}
	headerForm    = form{1, 64, digits + letters + "_.-"}
)

// fill takes over the fields, each in its form.
func (s *Signature) fill(f fields) error {
	part := strings.Split(f.credential, "/")
	if len(part) != 5 || part[4] != terminator || !keyIDForm.fits(part[0]) ||
		!scopeNameForm.fits(part[2]) || !scopeNameForm.fits(part[3]) {
		return incomplete("Credential must be key/date/region/service/" + terminator)
	}
	s.AccessKeyID, s.Scope = part[0], Scope{Date: part[1], Region: part[2], Service: part[3]}

	var err error
	s.Time, err = time.Parse(timeLayout, f.date)
	if err != nil || s.Time.Format(timeLayout) != f.date {
		return incomplete("X-Amz-Date must have the form " + timeLayout)
	}
	if day, _, _ := strings.Cut(f.date, "T"); day != s.Scope.Date {
		return &Refusal{Exception: InvalidSignature, Text: "The date of the credential scope is not that of X-Amz-Date"}
	}
	if !signatureForm.fits(f.signature) {
		return incomplete("Signature must be 64 hexadecimal digits in lower case")
	}
	s.signature = f.signature
	return s.fillHeaders(f.signedHeaders)
}

func (s *Signature) fillHeaders(list string) error {
	if len(list) > maxAuthorization {
		return incomplete("SignedHeaders is too long")
	}
	s.signedHeaders = strings.Split(list, ";")
	if len(s.signedHeaders) > maxSignedHeaders {
		return incomplete("SignedHeaders names too many headers")
	}
	for i, name := range s.signedHeaders {
		if !headerForm.fits(name) || i > 0 && name <= s.signedHeaders[i-1] {
			return incomplete("SignedHeaders must be header names in lower case, in order, each once")
		}
	}
	if !slices.Contains(s.signedHeaders, "host") {
		return incomplete("Header host must be signed")
	}
	return nil
}
