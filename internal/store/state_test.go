package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func TestStatesOfCertificates(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		list := someCertificates(t, s, here, 3)
		other := someCertificates(t, s, there, 4)[3]
		applied(t, s, here, deactivation(list[1]))
		for _, tt := range []struct {
			name string
			of   audit.Resource
			want string // number in the list and status, "" when there is none
		}{
			{"a number leads to its certificate", audit.Resource{Key: list[0].ID, Seq: list[0].Seq}, "0 ACTIVE"},
			{"a status is read as it is now", audit.Resource{Key: list[1].ID, Seq: list[1].Seq}, "1 INACTIVE"},
			{"an id is enough", audit.Resource{Key: list[2].ID}, "2 ACTIVE"},
			{"an id registered anew is found under its new number",
				audit.Resource{Key: list[2].ID, Seq: list[2].Seq + 1000}, "2 ACTIVE"},
			{"an id beats a number", audit.Resource{Key: list[2].ID, Seq: list[0].Seq}, "2 ACTIVE"},
			{"nothing of the id", audit.Resource{Key: certificateID(99), Seq: list[0].Seq}, ""},
			{"a certificate of another account", audit.Resource{Key: other.ID, Seq: other.Seq}, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				var states map[string]*fleet.Certificate
				ok(t, s.reading(t.Context(), here, func(q querier, scope int64) (err error) {
					states, err = certificateStates(t.Context(), q, scope, []audit.Resource{tt.of})
					return err
				}))
				got := ""
				if c := states[tt.of.Key]; c != nil {
					at := slices.IndexFunc(list, func(l fleet.Certificate) bool { return l.Seq == c.Seq && l.ID == c.ID })
					got = fmt.Sprint(at, " ", c.Status)
				}
				if got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		}
	})
}

// reader reads pages on the reader pool.
func reader(t *testing.T, s *Store, p audit.Page) *certificateReader {
	t.Helper()
	cr := &certificateReader{q: s.read, page: p, batch: 10}
	ok(t, s.reading(t.Context(), here, func(_ querier, scope int64) error {
		cr.scope = scope
		return nil
	}))
	return cr
}

func TestPagesOfCertificatesForAudits(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		list := make([]fleet.Certificate, 25)
		for i := range list {
			list[i] = *testCertificate(i + 1)
		}
		ok(t, s.RegisterCertificates(t.Context(), here, list))
		someCertificates(t, s, there, 3)
		for _, tt := range []struct {
			name string
			page audit.Page
			want []int // sizes of the batches
		}{
			{"all, in batches", audit.Page{Limit: 100}, []int{10, 10, 5}},
			{"no more than asked for", audit.Page{Limit: 12}, []int{10, 2}},
			{"a full last batch", audit.Page{Limit: 20}, []int{10, 10}},
			{"behind a certificate", audit.Page{Limit: 100, After: list[19].Seq}, []int{5}},
			{"behind the last one", audit.Page{Limit: 100, After: list[24].Seq}, nil},
			{"with what weak keys are searched by", audit.Page{Limit: 3, Digests: true}, []int{3}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				cr := reader(t, s, tt.page)
				for name, read := range map[string]func(context.Context, func([]fleet.Certificate) bool) error{
					"each": cr.each, "ahead": cr.ahead,
				} {
					var sizes []int
					var all []fleet.Certificate
					ok(t, read(t.Context(), func(batch []fleet.Certificate) bool {
						sizes, all = append(sizes, len(batch)), append(all, batch...)
						return true
					}))
					if !slices.Equal(sizes, tt.want) {
						t.Errorf("%s: got batches of %v, want %v", name, sizes, tt.want)
					}
					first := slices.IndexFunc(list, func(c fleet.Certificate) bool { return c.Seq > tt.page.After })
					for i := range all {
						want := asAudited(list[first+i], tt.page.Digests)
						if !reflect.DeepEqual(all[i], want) {
							t.Errorf("%s: got %+v, want %+v", name, all[i], want)
						}
					}
				}
			})
		}
	})
}

// asAudited is what an audit reads of a certificate.
func asAudited(c fleet.Certificate, digests bool) fleet.Certificate {
	out := fleet.Certificate{Seq: c.Seq, ID: c.ID, Status: c.Status, NotAfter: c.NotAfter, Created: c.Created}
	out.Key.ROCA = c.Key.ROCA
	if digests {
		out.Key.DebianDigest, out.Key.BadkeysDigest = c.Key.DebianDigest, c.Key.BadkeysDigest
	}
	return out
}

func TestAPageMayBeLeftEarly(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		someCertificates(t, s, here, 25)
		cr := reader(t, s, audit.Page{Limit: 100})
		for name, read := range map[string]func(context.Context, func([]fleet.Certificate) bool) error{
			"each": cr.each, "ahead": cr.ahead,
		} {
			batches := 0
			// More often than there are connections to lose.
			for range 3 * readers {
				ok(t, read(t.Context(), func([]fleet.Certificate) bool { batches++; return false }))
			}
			if batches != 3*readers {
				t.Errorf("%s: got %d batches, want one each time", name, batches)
			}
		}
	})
}

func TestAPageThatCannotBeReadIsAnError(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := reader(t, s, audit.Page{Limit: 1}).ahead(ctx, func([]fleet.Certificate) bool { return true })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}

func TestRowsAreInsertedWhateverTheyHaveInCommon(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		const n = 2000 // several statements on SQLite
		numbers := make([]int64, n)
		ends := make([]*int64, n)
		for i := range numbers {
			numbers[i] = int64(i)
		}
		ends[n-1] = &numbers[7]
		for _, tt := range []struct {
			name string
			rows int
			ends []*int64
			want string // rows, different actions, ends, sum of the ends
		}{
			{"one row", 1, ends[n-1:], "1 1 1 7"},
			{"one column differs", n, ends[:1], "2000 2000 0 0"},
			{"a null differs from a number", n, ends, "2000 2000 1 7"},
			{"no row", 0, ends, "0 0 0 0"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				rows := tt.ends
				if len(rows) < tt.rows {
					rows = repeat(tt.ends[0], tt.rows)
				}
				var got string
				ok(t, s.write(t.Context(), func(ctx context.Context, q querier) error {
					if _, err := q.exec(ctx, `DELETE FROM executions`, nil); err != nil {
						return err
					}
					zero, text := repeat(int64(0), tt.rows), repeat("it's 100 % ?", tt.rows)
					err := insertRows(ctx, q, "executions", []column{
						{"task", zero}, {"audit", zero}, {"n", zero}, {"action", numbers[:tt.rows]}, {"status", text},
						{"error_code", text}, {"message", text}, {"started_at", zero}, {"ended_at", rows[:tt.rows]},
					})
					if err != nil {
						return err
					}
					got, _, err = one(ctx, q, `SELECT count(*), count(DISTINCT action), count(ended_at),
						COALESCE(sum(ended_at), 0) FROM executions WHERE message = @text`, args{"text": "it's 100 % ?"},
						func(r scanner) (string, error) {
							var a, b, c, d int64
							err := r.Scan(&a, &b, &c, &d)
							return fmt.Sprint(a, b, c, d), err
						})
					return err
				}))
				if got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		}
	})
}

// A slice looks at no more things of a certificate than it changes, however many
// there are.
func TestThingsOfOneCertificateAreReadByIndex(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		fillStore(t, s, planRows, fillsOf("things", "certificates", "thing_principals"))
		ctx, n := context.Background(), 0
		scope, err := s.scope(ctx, s.read, here)
		ok(t, err)
		list, err := all(ctx, narrow{s.read, t, s, 0, &n}, thingsOfOne, args{
			"scope": scope, "certificate": filledCertificate(1), "after": filledName("t", mid), "most": 50,
		}, func(r scanner) (thing string, err error) {
			var certificate string
			return thing, r.Scan(&certificate, &thing)
		})
		ok(t, err)
		if len(list) != 50 || list[0] != filledName("t", mid+1) {
			t.Errorf("got %d things from %v on, want 50 behind %s", len(list), list[:1], filledName("t", mid))
		}
	})
}
