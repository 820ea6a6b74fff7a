package server_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

// every is one in how many expired certificates is suppressed.
const every = 9

// suppressSome suppresses the findings of some certificates and says of how
// many.
func (r *rig) suppressSome(t *testing.T) (n int) {
	t.Helper()
	e := r.inspect(t)
	defer e.db.Close() // a database that is looked at cannot be copied
	rows, err := e.db.Query(`SELECT id FROM certificates WHERE not_after < created_at ORDER BY seq`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var expired []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		expired = append(expired, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	within(t, r.cfg, server.Options{}, func(c *cordontest.Cordon) {
		for i, id := range expired {
			if i%every != 0 {
				continue
			}
			n++
			k := audit.SuppressionKey{Check: expiring, Type: audit.DeviceCertificate, Key: id}
			s, err := audit.NewSuppression(k, audit.SuppressionChange{Indefinitely: new(true)}, id, time.Now())
			if err == nil {
				err = c.Store().CreateSuppression(t.Context(), scope, s)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	return n
}

// An audit with suppressions that is killed between and inside slices counts
// what one does that is not.
func TestAKilledAuditCountsSuppressedFindingsOnce(t *testing.T) {
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			hurt := registeredFleet(t, database, small)
			suppressed := hurt.suppressSome(t)
			whole := &rig{size: small, cfg: clone(t, database, hurt.cfg)}
			for i, at := range []stop{{"audit", "after", 2, killed}, {"audit", "inside", 1, killed}} {
				p := launch(t, hurt.cfg, at)
				if i == 0 {
					p.awaitReady(t)
					hurt.startAudit(t, p)
				}
				p.wantKilled(t)
			}
			hurt.audit = hurt.inspect(t).text(`SELECT id FROM audits`)
			for _, r := range []*rig{hurt, whole} {
				p := start(t, r.cfg)
				if r == whole {
					out, err := p.iot().StartOnDemandAuditTask(t.Context(), &iot.StartOnDemandAuditTaskInput{
						TargetCheckNames: []string{expiring, logging},
					})
					if err != nil {
						t.Fatal(err)
					}
					r.audit = *out.TaskId
				}
				r.wantAudited(t, p)
				p.terminate(t)
				r.wantAuditedInDatabase(t)
				e := r.inspect(t)
				e.want(suppressed, "suppressed findings", `SELECT count(*) FROM findings WHERE suppressed`)
				e.want(suppressed, "findings of what is suppressed", `SELECT count(*) FROM findings f JOIN suppressions s
					ON s.scope = f.scope AND s.check_name = f.check_name AND s.resource = f.resource WHERE f.suppressed`)
				var got map[string]audit.CheckState
				if err := json.Unmarshal([]byte(e.text(`SELECT progress FROM audits`)), &got); err != nil {
					t.Fatal(err)
				}
				s := got[expiring]
				if s.Suppressed != int64(suppressed) || s.Reasons["CERTIFICATE_PAST_EXPIRATION"] != int64(r.expired()-suppressed) {
					t.Errorf("got %+v, want %d suppressed and the others counted by reason", s, suppressed)
				}
			}
		})
	}
}
