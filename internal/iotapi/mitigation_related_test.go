package iotapi_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/server"
)

// A task that is in the middle of the things of one certificate goes on behind
// them when most of them are taken away meanwhile, and still takes every thing
// of the next certificate.
func TestThingsOfTheNextRelatedCertificateAreNotPassedOver(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			gate := cordontest.NewGate("mitigation")
			cordon := cordontest.Start(t, callable(t, database), server.Options{Hook: gate.Hook})
			t.Cleanup(gate.Open)
			c, p := cordon.IoT(), newPublisher(t)
			root := newCA(t, fixture.Template{CommonName: "Root"})
			bad := must[*fixture.CA](t)(root.Intermediate(numbered(12, p.URL+"/root.crl")))
			p.publish("/root.crl", revoking(t, root, 1, 12))
			registerIn(t, c, bad.PEM+root.PEM)
			var ids []string
			for serial := range int64(2) {
				leaf := must[*fixture.Leaf](t)(bad.Issue(numbered(serial + 1)))
				ids = append(ids, registerPEM(t, c, leaf.PEM, types.CertificateStatusActive))
			}
			group(t, c, "quarantine", "")
			thing(t, c, "thing", home.ARN("cert", ids[0]))
			l := &large{Cordon: cordon, c: c}
			l.copyThing(t, 1200)
			thing(t, c, "a-first", home.ARN("cert", ids[1]))
			cordontest.Enable(t, c, checkIntermediate)
			id, _ := cordontest.Audit(t, c, checkIntermediate)
			action(t, c, "isolate", joining("quarantine"))
			begin(t, c, "task", aim(id), mapping{checkIntermediate: {"isolate"}})
			gate.Await(t, "task")
			if got := len(membersOf(t, c, "quarantine")); got != 1000 {
				t.Fatalf("got %d things after a slice, want 1000", got)
			}
			l.execute(t, fmt.Sprintf(`DELETE FROM thing_principals WHERE certificate = '%s' AND thing > 'thing-2'`, ids[0]))
			gate.Open()
			wantTask(t, cordontest.AwaitMitigation(t, c, "task"), checkIntermediate, taskCompleted, counts{1, 1, 0, 0, 0})
			list := membersOf(t, c, "quarantine")
			if len(list) != 1001 || list[0] != "a-first" {
				t.Errorf("got %d things from %s on, want a thousand and that of the next certificate", len(list), list[0])
			}
		})
	}
}
