package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// importOf is a batch of one import.
func importOf(n int64, digest string, devices ...fleet.ImportDevice) *fleet.ImportBatch {
	return &fleet.ImportBatch{Import: "i", Source: "file", N: n, Digest: digest, Devices: devices}
}

// wantImported imports a batch and compares what becomes of it: how many are
// accepted and unchanged, and of each refused device a part of the reason.
func wantImported(t *testing.T, s *Store, b *fleet.ImportBatch, accepted, unchanged int, refused map[int]string) {
	t.Helper()
	out, err := s.Import(context.Background(), here, b)
	ok(t, err)
	if out.Accepted != accepted || out.Unchanged != unchanged || len(out.Refusals) != len(refused) {
		t.Errorf("got %+v, want %d accepted, %d unchanged, refused %v", out, accepted, unchanged, refused)
	}
	for _, r := range out.Refusals {
		if part, want := refused[r.Position]; !want || !strings.Contains(r.Reason, part) {
			t.Errorf("device %d: got %q, want %q", r.Position, r.Reason, part)
		}
	}
}

func TestImport(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeGroups(t, s, here, "site", "site/hall", "lab")
		makePolicies(t, s, here, "p", "q")
		makeThings(t, s, here, "old")
		register(t, s, here, 1)
		moving := testCertificate(2)
		ok(t, s.RegisterCertificate(ctx, here, moving))
		ok(t, s.TransferCertificate(ctx, here, &fleet.Transfer{Certificate: moving.ID, To: there.Account}))
		active := testCertificate(1)
		active.Status = fleet.Active
		foreign := testCertificate(9)
		foreign.CAID = certificateID(77)
		typed := testThing(t, "typed")
		typed.Type = "nothing"
		devices := []fleet.ImportDevice{
			0: {
				Thing: testThing(t, "new", "a", "b"), Certificate: testCertificate(3), Groups: []string{"hall", "lab"},
				Policies: []string{"p", "q"},
			},
			1:  {Thing: testThing(t, "new", "a", "b"), Certificate: testCertificate(3)}, // the same again
			2:  {Thing: testThing(t, "new", "a", "c")},
			3:  {Thing: testThing(t, "old"), Groups: []string{"site"}},
			4:  {Thing: testThing(t, "old"), Groups: []string{"hall"}},
			5:  {Thing: testThing(t, "none"), Groups: []string{"nowhere"}},
			6:  {Certificate: active},
			7:  {Certificate: moving},
			8:  {Thing: testThing(t, "none"), Certificate: foreign},
			9:  {Certificate: testCertificate(4), Policies: []string{"r"}},
			10: {Refused: "broken"},
			11: {Thing: typed},
			12: {Thing: testThing(t, "second"), Certificate: testCertificate(1), Groups: []string{"hall"}},
		}
		refused := map[int]string{
			2: `"new" exists with`, 4: "one group of a hierarchy", 5: `"nowhere"`, 6: "INACTIVE, not ACTIVE",
			7: "INACTIVE", 8: "CA certificate is not registered", 9: `"r"`, 10: "broken", 11: `"nothing"`,
		}
		refused[7] = "PENDING_TRANSFER, not INACTIVE"
		for range 2 { // the second is answered from memory
			wantImported(t, s, importOf(1, "d", devices...), 3, 1, refused)
		}
		wantImported(t, s, importOf(2, "d", devices[0], devices[3], devices[12]), 0, 3, nil)

		_, err := s.Import(ctx, here, importOf(1, "other", devices[0]))
		wantFault(t, err, fault.Conflict, "other devices")
		b := importOf(3, "d", devices[0])
		b.Source = "another file"
		_, err = s.Import(ctx, here, b)
		wantFault(t, err, fault.Conflict, "another file")

		for thing, groups := range map[string]string{"new": "hall lab", "old": "site", "second": "hall"} {
			in, err := s.GroupsOf(ctx, here, thing, "", 10)
			ok(t, err)
			if got := strings.Join(in, " "); got != groups {
				t.Errorf("%s: got the groups %q, want %q", thing, got, groups)
			}
		}
		target := fleet.Target{Kind: fleet.TargetCertificate, Name: certificateID(3)}
		policies, err := s.AttachedPolicies(ctx, here, target, fleet.AttachedPage{Limit: 10})
		ok(t, err)
		attached, err := s.ThingsOfPrincipal(ctx, here, fleet.AttachmentQuery{Of: certificateID(3), Limit: 10})
		ok(t, err)
		if strings.Join(policies, " ") != "p q" || len(attached) != 1 || attached[0].Thing != "new" {
			t.Errorf("got the policies %v and the attachments %v", policies, attached)
		}
		found, err := s.Things(ctx, here, fleet.ThingQuery{Filter: fleet.AttributeFilter{Name: "a", Value: "b"}, Limit: 10})
		ok(t, err)
		wantNames(t, namesOf(found), []string{"new"})
		for _, id := range []int{4, 9} {
			_, err := s.Certificate(ctx, here, certificateID(id))
			wantFault(t, err, fault.NotFound, "")
		}

		source, list, err := s.ImportBatches(ctx, here, "i", 0, 10)
		ok(t, err)
		if source != "file" || len(list) != 2 || list[0].Accepted != 3 || len(list[0].Refusals) != len(refused) {
			t.Errorf("got %q and %+v, want both batches", source, list)
		}
		_, _, err = s.ImportBatches(ctx, there, "i", 0, 10)
		wantFault(t, err, fault.NotFound, `"i"`)
		ok(t, s.DeleteImport(ctx, there, "i"))
		ok(t, s.DeleteImport(ctx, here, "i"))
		_, _, err = s.ImportBatches(ctx, here, "i", 0, 10)
		wantFault(t, err, fault.NotFound, `"i"`)
	})
}

func TestBatchesAtOnceImportEachDeviceOnce(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makeGroups(t, s, here, "lab")
		const n = 300
		device := func(i int) fleet.ImportDevice {
			return fleet.ImportDevice{
				Thing: testThing(t, fmt.Sprintf("t%03d", i)), Certificate: testCertificate(i + 1), Groups: []string{"lab"},
			}
		}
		accepted := make([]int, 4)
		together(t, len(accepted), func(batch int) error {
			var devices []fleet.ImportDevice
			for i := range n { // each in another order
				devices = append(devices, device((i*(2*batch+1))%n))
			}
			out, err := s.Import(context.Background(), here, importOf(int64(batch+1), "d", devices...))
			if err == nil {
				accepted[batch] = out.Accepted
			}
			return err
		})
		total := 0
		for _, a := range accepted {
			total += a
		}
		members, err := s.Members(context.Background(), here, fleet.MemberQuery{Group: "lab", Limit: 2 * n})
		ok(t, err)
		if total != n || len(members) != n {
			t.Errorf("got %d accepted of %v and %d members, want %d", total, accepted, len(members), n)
		}
	})
}

func TestAnImportThatCannotBeRememberedStoresNothing(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		_, err := s.Import(ctx, here, &fleet.ImportBatch{Import: "first", Source: "f", N: 1})
		ok(t, err)
		_, err = s.behind(t, `INSERT INTO imports (scope, id, source, created_at)
			WITH RECURSIVE r (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM r WHERE i < @n)
			SELECT scope, CAST(i AS TEXT), 'f', created_at FROM r, imports`, args{"n": maxImports})
		ok(t, err)
		_, err = s.Import(ctx, here, importOf(1, "d", fleet.ImportDevice{Thing: testThing(t, "t")}))
		wantFault(t, err, fault.Limit, "delete one")
		_, err = s.Thing(ctx, here, "t")
		wantFault(t, err, fault.NotFound, "")
		_, err = s.Import(ctx, there, importOf(1, "d", fleet.ImportDevice{Thing: testThing(t, "t")}))
		ok(t, err)
	})
}

func TestOldImportsAreForgottenInParts(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		const batches = purgeSlice + 10
		for n := range batches {
			_, err := s.Import(ctx, here, importOf(int64(n+1), "d"))
			ok(t, err)
		}
		for _, age := range []time.Duration{0, time.Hour} {
			pass := s.NewPurge("node", testNow.Add(age))
			steps := 0
			for more := true; more; steps++ {
				var err error
				more, err = pass.Step(ctx)
				ok(t, err)
			}
			_, list, err := s.ImportBatches(ctx, here, "i", 0, 2*batches)
			if age == 0 {
				ok(t, err)
				if len(list) != batches || steps != 1 {
					t.Errorf("got %d batches after %d steps, want all of them: they are not old", len(list), steps)
				}
				continue
			}
			wantFault(t, err, fault.NotFound, "")
			if steps != 4 {
				t.Errorf("got %d steps, want two for the batches, one for the import, and an empty one", steps)
			}
		}
	})
}
