package ocsp

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	oracle "golang.org/x/crypto/ocsp"

	"github.com/cordon-iot/cordon/internal/pki"
)

var now = time.Date(2026, 5, 6, 7, 8, 9, 500, time.UTC)

// issued is a CA and a certificate that it issued.
func issued(t testing.TB) (*pki.Authority, *pki.Certificate) {
	t.Helper()
	a, err := pki.NewAuthority(pkix.Name{CommonName: "issuer"}, now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := a.IssueKeyPair(now)
	if err != nil {
		t.Fatal(err)
	}
	return a, pair.Certificate
}

// asked is a request as a well-known client makes it.
func asked(t testing.TB, a *pki.Authority, c *pki.Certificate, h crypto.Hash) []byte {
	t.Helper()
	der, err := oracle.CreateRequest(c.X509(), a.Certificate().X509(), &oracle.RequestOptions{Hash: h})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// request makes a request with extensions.
func request(t testing.TB, ids []certIDDER, extensions ...pkix.Extension) []byte {
	t.Helper()
	in := requestDER{TBS: tbsRequest{Extensions: extensions}}
	for _, id := range ids {
		raw, err := asn1.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		in.TBS.List = append(in.TBS.List, singleRequest{ID: asn1.RawValue{FullBytes: raw}})
	}
	type unsignedRequest struct{ TBS tbsList }
	der, err := asn1.Marshal(unsignedRequest{tbsList{in.TBS.List, in.TBS.Extensions}})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

type tbsList struct {
	List       []singleRequest
	Extensions []pkix.Extension `asn1:"explicit,tag:2,optional"`
}

func id(serial int64) certIDDER {
	return certIDDER{pkix.AlgorithmIdentifier{Algorithm: oidSHA1}, []byte("name"), []byte("key"), big.NewInt(serial)}
}

func nonce(t testing.TB, n int) pkix.Extension {
	t.Helper()
	value, err := asn1.Marshal(bytes.Repeat([]byte{7}, n))
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: oidNonce, Value: value}
}

func TestRequestsAreRead(t *testing.T) {
	a, c := issued(t)
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		r, err := ParseRequest(asked(t, a, c, h))
		if err != nil {
			t.Fatal(err)
		}
		name, key := a.Certificate().Hashes(h)
		got := r.Certificates[0]
		if len(r.Certificates) != 1 || got.Hash != h || got.Serial != c.Serial || r.Nonce != nil ||
			!bytes.Equal(got.NameHash, name) || !bytes.Equal(got.KeyHash, key) {
			t.Errorf("%v: got %+v", h, r)
		}
	}
	r, err := ParseRequest(request(t, []certIDDER{id(0), id(-1), id(255)}, nonce(t, 32)))
	if err != nil {
		t.Fatal(err)
	}
	var serials []string
	for _, c := range r.Certificates {
		serials = append(serials, c.Serial)
	}
	if !slices.Equal(serials, []string{"00", "", "ff"}) || len(r.Nonce) != 32 {
		t.Errorf("got %q and a nonce of %d", serials, len(r.Nonce))
	}
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	whole := request(t, []certIDDER{id(1)})
	unknown := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}
	important := unknown
	important.Critical = true
	for _, tt := range []struct {
		name string
		der  []byte
		ok   bool
	}{
		{"a request", whole, true},
		{"an extension that may be passed over", request(t, []certIDDER{id(1)}, unknown), true},
		{"one that may not", request(t, []certIDDER{id(1)}, important), false},
		{"nothing", nil, false},
		{"something behind it", append(slices.Clone(whole), 0), false},
		{"a part of one", whole[:len(whole)-1], false},
		{"no certificates", request(t, nil), false},
		{"the most certificates", request(t, slices.Repeat([]certIDDER{id(1)}, MaxCertificates)), true},
		{"too many certificates", request(t, slices.Repeat([]certIDDER{id(1)}, MaxCertificates+1)), false},
		{"a nonce of one byte", request(t, []certIDDER{id(1)}, nonce(t, 1)), true},
		{"a nonce of none", request(t, []certIDDER{id(1)}, nonce(t, 0)), false},
		{"a nonce that is too long", request(t, []certIDDER{id(1)}, nonce(t, 33)), false},
		{"two nonces", request(t, []certIDDER{id(1)}, nonce(t, 8), nonce(t, 8)), false},
		{"a nonce that is none", request(t, []certIDDER{id(1)}, pkix.Extension{Id: oidNonce, Value: []byte{1}}), false},
		{"a long text", bytes.Repeat([]byte{0x30}, MaxRequest+1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseRequest(tt.der); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want it read: %v", err, tt.ok)
			}
		})
	}
}

func TestAnswersAreRead(t *testing.T) {
	a, c := issued(t)
	r, err := ParseRequest(asked(t, a, c, crypto.SHA1))
	if err != nil {
		t.Fatal(err)
	}
	at := now.Add(-time.Hour)
	for _, tt := range []struct {
		name   string
		single Single
		want   int
		reason int
		nonce  []byte
	}{
		{"good", Single{}, oracle.Good, 0, nil},
		{"good with a nonce", Single{}, oracle.Good, 0, []byte("12345678")},
		{"revoked", Single{Status: Revoked, At: at}, oracle.Revoked, oracle.Unspecified, nil},
		{"on hold", Single{Status: Revoked, At: at, Reason: 6}, oracle.Revoked, oracle.CertificateHold, nil},
		{"unknown", Single{Status: Unknown}, oracle.Unknown, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.single.ID = r.Certificates[0]
			der, err := Sign(a, Response{
				Produced: now, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Singles: []Single{tt.single}, Nonce: tt.nonce,
			})
			if err != nil {
				t.Fatal(err)
			}
			got, err := oracle.ParseResponseForCert(der, c.X509(), a.Certificate().X509())
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != tt.want || got.RevocationReason != tt.reason ||
				!got.ThisUpdate.Equal(seconds(now)) || !got.NextUpdate.Equal(seconds(now.Add(time.Hour))) {
				t.Errorf("got %+v", got)
			}
			if tt.want == oracle.Revoked && !got.RevokedAt.Equal(seconds(at)) {
				t.Errorf("got revoked at %v, want %v", got.RevokedAt, at)
			}
			if (tt.nonce != nil) != bytes.Contains(der, []byte("12345678")) {
				t.Error("got the nonce where it is not wanted, or the other way round")
			}
		})
	}
}

func TestAnswersWithoutSignatureAreRead(t *testing.T) {
	for want, der := range map[oracle.ResponseStatus][]byte{
		oracle.Malformed: Malformed, oracle.InternalError: InternalError, oracle.TryLater: TryLater,
		oracle.Unauthorized: Unauthorized,
	} {
		var got oracle.ResponseError
		if _, err := oracle.ParseResponse(der, nil); !errors.As(err, &got) || got.Status != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	a, c := issued(f)
	f.Add(asked(f, a, c, crypto.SHA1))
	f.Add(request(f, []certIDDER{id(1), id(-1)}, nonce(f, 32)))
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := ParseRequest(der)
		if err != nil {
			return
		}
		out := Response{Produced: now, ThisUpdate: now, NextUpdate: now, Nonce: r.Nonce}
		for _, id := range r.Certificates {
			out.Singles = append(out.Singles, Single{ID: id})
		}
		if _, err := Sign(a, out); err != nil {
			t.Errorf("what was read cannot be answered: %v", err)
		}
	})
}
