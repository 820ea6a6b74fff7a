package keyquality

import (
	"math/big"
	"math/bits"
	"sync"
)

const (
	// smallFactorLimit is where trial division ends. A modulus corrupted by a
	// flipped bit is as good as random and has a factor below 4,096 in 87 of
	// 100 cases, below 65,536 in 90, for ten times the work.
	smallFactorLimit = 1 << 12
	fermatRounds     = 100
)

// primeGroup is a run of small primes whose product fits a word, so that one
// pass over the modulus serves all of them.
type primeGroup struct {
	product uint64
	primes  []uint64
}

var smallPrimes = sync.OnceValue(func() []primeGroup {
	var groups []primeGroup
	group := primeGroup{product: 1}
	composite := make([]bool, smallFactorLimit)
	for p := 2; p < smallFactorLimit; p++ {
		if composite[p] {
			continue
		}
		for m := p * p; m < smallFactorLimit; m += p {
			composite[m] = true
		}
		hi, lo := bits.Mul64(group.product, uint64(p))
		if hi != 0 {
			groups = append(groups, group)
			group, lo = primeGroup{}, uint64(p)
		}
		group.product = lo
		group.primes = append(group.primes, uint64(p))
	}
	return append(groups, group)
})

// hasSmallFactor reports whether a prime below smallFactorLimit divides n > 0.
func hasSmallFactor(n *big.Int) bool {
	for _, g := range smallPrimes() {
		rest := remainder(n, g.product)
		for _, p := range g.primes {
			if rest%p == 0 {
				return true
			}
		}
	}
	return false
}

// remainder returns n modulo m without allocating.
func remainder(n *big.Int, m uint64) uint64 {
	var rest uint64
	words := n.Bits()
	for i := len(words) - 1; i >= 0; i-- {
		word := uint64(words[i])
		if bits.UintSize == 32 {
			_, rest = bits.Div64(rest>>32, rest<<32|word, m)
			continue
		}
		_, rest = bits.Div64(rest, word, m)
	}
	return rest
}

// squareModuli are coprime, and together let one number in 1,600 pass that is
// no square.
var squareModuli = []uint64{64, 63, 65, 11, 17, 19, 23, 31}

// squares tells for each of squareModuli which remainders squares have.
var squares = sync.OnceValue(func() [][]bool {
	tables := make([][]bool, len(squareModuli))
	for i, m := range squareModuli {
		tables[i] = make([]bool, m)
		for x := range m {
			tables[i][x*x%m] = true
		}
	}
	return tables
})

// hasCloseFactors tries Fermat's factorisation: for odd n = a² − b² with a just
// above √n, the factors are a − b and a + b. Two primes drawn independently
// would take more rounds than anyone can count to; a second prime searched for
// right after the first shows in the first few.
//
// Nearly every a is dismissed by the remainders of a² − n alone.
func hasCloseFactors(n *big.Int) bool {
	if n.Bit(0) == 0 {
		return false
	}
	start := new(big.Int).Sqrt(n)
	tables := squares()
	as, ns := make([]uint64, len(squareModuli)), make([]uint64, len(squareModuli))
	for i, m := range squareModuli {
		as[i], ns[i] = remainder(start, m), remainder(n, m)
	}
	for round := range uint64(fermatRounds) {
		possible := true
		for i, m := range squareModuli {
			a := as[i] + round
			if !tables[i][(a*a+m-ns[i])%m] {
				possible = false
				break
			}
		}
		if possible && splits(n, new(big.Int).Add(start, new(big.Int).SetUint64(round))) {
			return true
		}
	}
	return false
}

// splits reports whether a² − n is the square of a b with 1 < a − b, which is
// then a factor of n.
func splits(n, a *big.Int) bool {
	square := new(big.Int).Mul(a, a)
	if square.Sub(square, n).Sign() < 0 {
		return false
	}
	b := new(big.Int).Sqrt(square)
	if new(big.Int).Mul(b, b).Cmp(square) != 0 {
		return false
	}
	return b.Sub(a, b).Cmp(big.NewInt(1)) > 0
}
