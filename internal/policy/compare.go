package policy

// symbol is one position of a pattern: a character, or one of the values
// below zero. Numbers from firstVariable downwards stand for the variables of
// the word in which the symbol is.
type symbol = rune

const (
	anyRun        symbol = -1
	anyOne        symbol = -2
	firstVariable symbol = -3
)

// word is a pattern spread out into symbols, for comparing.
type word struct {
	symbols []symbol
	names   []string // of the variables
}

// spread returns the pattern as a word.
func (p *Pattern) spread() word {
	w := word{symbols: make([]symbol, 0, len(p.text))}
	for _, a := range p.atoms {
		switch a.kind {
		case literal:
			w.symbols = append(w.symbols, []rune(a.text)...)
		case run:
			w.symbols = append(w.symbols, anyRun)
		case one:
			w.symbols = append(w.symbols, anyOne)
		case variable:
			w.symbols = append(w.symbols, firstVariable-symbol(len(w.names)))
			w.names = append(w.names, a.ref.text)
		}
	}
	return w
}

// name returns the name of the variable that s stands for, or "".
func (w word) name(s symbol) string {
	if s > firstVariable {
		return ""
	}
	return w.names[firstVariable-s]
}

// Covers reports whether every string that b matches is matched by a, with
// the same values of variables for both. It is sound: false when not sure. A
// variable is covered by "*" and by itself, in the same spelling, only. The cost is at most the
// product of the two lengths.
func Covers(a, b Pattern) bool { return covers(a.spread(), b.spread()) }

// covers matches b's symbols against a as if they were characters of a
// string: a run of b is one that only a run of a takes. A group of wildcards
// of a that ends in a run takes any symbols that stand for enough characters.
func covers(a, b word) bool {
	i, j := 0, 0
	star, from := -1, 0
	for {
		if n, ok := a.runAt(i); ok {
			i += n
			if j = b.skip(j, n-1); j < 0 {
				return false
			}
			if i == len(a.symbols) {
				return true
			}
			star, from = i, j
			continue
		}
		if i == len(a.symbols) && j == len(b.symbols) {
			return true
		}
		if i < len(a.symbols) && j < len(b.symbols) && coversOne(a, b, i, j) {
			i++
			j++
			continue
		}
		if star < 0 || from == len(b.symbols) {
			return false
		}
		from++
		i, j = star, from
	}
}

// runAt reports whether a group of wildcards that ends in a run begins at i,
// and how many symbols it has.
func (w word) runAt(i int) (n int, ok bool) {
	if i > 0 && i < len(w.symbols) && w.symbols[i] == anyOne && w.symbols[i-1] == anyOne {
		return 0, false // inside a group; without this check long groups cost the cube
	}
	for i+n < len(w.symbols) && w.symbols[i+n] == anyOne {
		n++
	}
	return n + 1, i+n < len(w.symbols) && w.symbols[i+n] == anyRun
}

// skip returns where the symbols from j on stand for at least n characters,
// or -1.
func (w word) skip(j, n int) int {
	for ; n > 0; j++ {
		if j == len(w.symbols) {
			return -1
		}
		if !wide(w.symbols[j]) {
			n--
		}
	}
	return j
}

// coversOne reports whether the symbol of a at i, which is no run, matches
// all that the symbol of b at j does.
func coversOne(a, b word, i, j int) bool {
	x, y := a.symbols[i], b.symbols[j]
	switch {
	case x >= 0:
		return x == y
	case x == anyOne:
		return y >= 0 || y == anyOne
	}
	return y <= firstVariable && a.name(x) == b.name(y)
}

// Overlaps reports whether some string may be matched by both patterns. It
// is true when not sure: a variable may have any value. The cost is at most
// the product of the two lengths.
func Overlaps(a, b Pattern) bool { return overlaps(a.spread(), b.spread()) }

func overlaps(v, w word) bool {
	a, b := v.symbols, w.symbols
	for len(a) > 0 && len(b) > 0 && !wide(a[0]) && !wide(b[0]) {
		if !meet(a[0], b[0]) {
			return false
		}
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && !wide(a[len(a)-1]) && !wide(b[len(b)-1]) {
		if !meet(a[len(a)-1], b[len(b)-1]) {
			return false
		}
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	// below[j] says whether what follows the current symbol of a can meet
	// b[j:]; row is the same with the current symbol in front.
	below, row := make([]bool, len(b)+1), make([]bool, len(b)+1)
	below[len(b)] = true
	for j := len(b) - 1; j >= 0 && wide(b[j]); j-- {
		below[j] = true
	}
	for i := len(a) - 1; i >= 0; i-- {
		x := a[i]
		row[len(b)] = wide(x) && below[len(b)]
		for j := len(b) - 1; j >= 0; j-- {
			if wide(x) || wide(b[j]) {
				row[j] = below[j] || row[j+1]
			} else {
				row[j] = below[j+1] && meet(x, b[j])
			}
		}
		below, row = row, below
	}
	return below[0]
}

// wide reports whether a symbol may stand for any run of characters.
func wide(s symbol) bool { return s == anyRun || s <= firstVariable }

// meet reports whether two symbols that stand for one character each may
// stand for the same one.
func meet(x, y symbol) bool { return x == y || x == anyOne || y == anyOne }
