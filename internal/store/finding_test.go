package store

import (
	"testing"

	"github.com/cordon-iot/cordon/internal/audit"
)

// A page of few findings among very many ends after some effort, and the pages
// together have all of them, once.
func TestFewFindingsAmongVeryMany(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		const n = 25_000 // of each of five audits
		for _, f := range otherFills {
			if f.table() == "audits" || f.table() == "findings" {
				fillStore(t, s, n, []fill{f})
			}
		}
		window := audit.FindingQuery{From: atMillis(0), To: atMillis(1e9), Limit: 7}
		rare, none, ofAudit := window, window, audit.FindingQuery{TaskID: filledAudit(2), Limit: 7}
		rare.Check, ofAudit.Check, none.Check = "RARE", "RARE", "NONE"
		for _, tt := range []struct {
			name  string
			query audit.FindingQuery
			want  int
		}{
			{"in a window", rare, 5 * n / 1000}, {"of an audit", ofAudit, n / 1000}, {"where there are none", none, 0},
		} {
			got, last, pages := 0, audit.FindingPosition{}, 0
			for {
				page, next, err := s.Findings(t.Context(), here, tt.query)
				ok(t, err)
				for _, f := range page {
					at := audit.FindingPosition{FindingRef: f.FindingRef, Found: f.Found}
					if got > 0 && !at.Found.Before(last.Found) {
						t.Fatalf("%s: got %+v behind %+v, want it older", tt.name, at, last)
					}
					got, last = got+1, at
				}
				if pages++; next.N == 0 {
					break
				}
				tt.query.Before = next
			}
			if got != tt.want {
				t.Errorf("%s: got %d findings, want %d", tt.name, got, tt.want)
			}
			if tt.want == 0 && pages != 2 {
				t.Errorf("%s: got %d pages, want one that ends after an effort, and the last", tt.name, pages)
			}
		}
	})
}
