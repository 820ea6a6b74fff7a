package keyquality

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"testing"

	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func soundRSA(t testing.TB) *rsa.PublicKey {
	t.Helper()
	key, err := fixture.RSAKey()
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}

func soundEC(t testing.TB, curve elliptic.Curve) *ecdsa.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}

func TestTest(t *testing.T) {
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), MaxRSABits), E: 65537}
	for _, tt := range []struct {
		name string
		key  crypto.PublicKey
		want Weaknesses
	}{
		{"nothing is found in a sound RSA key", soundRSA(t), Weaknesses{}},
		{"a ROCA key is found", &fixture.ROCAKey(1).PublicKey, Weaknesses{ROCA: true}},
		{"close primes are found", fixture.CloseKey(1), Weaknesses{CloseFactors: true}},
		{"a small factor is found", fixture.SmallFactorKey(1), Weaknesses{SmallFactor: true}},
		{"an EC key has no test", soundEC(t, elliptic.P256()), Weaknesses{}},
		{"an Ed25519 key has no test", edwards, Weaknesses{}},
		{"a key over the limit is not looked at", long, Weaknesses{}},
		{"a key without modulus is not looked at", &rsa.PublicKey{}, Weaknesses{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Test(tt.key); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestBroken(t *testing.T) {
	for _, tt := range []struct {
		name string
		w    Weaknesses
		want bool
	}{
		{"a sound key is not broken", Weaknesses{}, false},
		{"what AWS reports is left to the audit", Weaknesses{ROCA: true}, false},
		{"a small factor is broken", Weaknesses{SmallFactor: true}, true},
		{"close factors are broken", Weaknesses{CloseFactors: true}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.w.Broken() != ""; got != tt.want {
				t.Errorf("got %v (%q), want %v", got, tt.w.Broken(), tt.want)
			}
		})
	}
}

func TestHasSmallFactor(t *testing.T) {
	large := soundRSA(t).N
	times := func(f int64) *big.Int { return new(big.Int).Mul(large, big.NewInt(f)) }
	for _, tt := range []struct {
		name string
		n    *big.Int
		want bool
	}{
		{"a product of two large primes has none", large, false},
		{"an even modulus has one", times(2), true},
		{"a multiple of 3 has one", times(3), true},
		{"the largest prime below the limit counts", times(4093), true},
		{"the smallest prime above the limit does not", times(4099), false},
		{"a modulus of small primes only has one", big.NewInt(3 * 5 * 7), true},
		{"one has none", big.NewInt(1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := hasSmallFactor(tt.n); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestHasCloseFactors(t *testing.T) {
	p, _ := new(big.Int).SetString("170141183460469231731687303715884105727", 10) // 2^127 − 1
	for _, tt := range []struct {
		name string
		n    *big.Int
		want bool
	}{
		{"a square", new(big.Int).Mul(p, p), true},
		{"twin factors", big.NewInt(101 * 103), true},
		{"primes far apart", soundRSA(t).N, false},
		{"a prime has only the trivial split", big.NewInt(101), false},
		{"an even number is left to the small factors", big.NewInt(1 << 20), false},
		{"a split that takes longer than the bound", new(big.Int).Mul(p, big.NewInt(7)), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := hasCloseFactors(tt.n); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestHasCloseFactorsAgreesWithSearch(t *testing.T) {
	for n := int64(1); n < 20_000; n += 2 {
		want := false
		root := new(big.Int).Sqrt(big.NewInt(n)).Int64()
		for a := root; a < root+fermatRounds && !want; a++ {
			for b := int64(0); b < a-1 && a*a-b*b >= n; b++ {
				want = want || a*a-b*b == n
			}
		}
		if got := hasCloseFactors(big.NewInt(n)); got != want {
			t.Errorf("%d: got %v, want %v", n, got, want)
		}
	}
}

func TestRemainder(t *testing.T) {
	n := fixture.DebianKey().N
	for _, m := range []uint64{1, 2, 63, 1<<32 - 5, 1<<64 - 59} {
		want := new(big.Int).Mod(n, new(big.Int).SetUint64(m)).Uint64()
		if got := remainder(n, m); got != want {
			t.Errorf("modulo %d: got %d, want %d", m, got, want)
		}
	}
}

func BenchmarkTest(b *testing.B) {
	for _, bb := range []struct {
		name string
		key  crypto.PublicKey
	}{
		{"RSA-2048", soundRSA(b)},
		{"P-256", soundEC(b, elliptic.P256())},
	} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				Test(bb.key)
				Digests(bb.key)
			}
		})
	}
}
