package server_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/server"
)

// full are the things of one expired certificate, each in two dynamic groups and
// in so many others that there is room for one more (thing-1, thing-11, ...) or
// for none.
const (
	full      = 6 * sliceRows / 10
	roomy     = full / 10
	evictions = 2*full - roomy
)

// fullThings is a database with an audit of that certificate. The task puts its
// things into two more groups.
func fullThings(t *testing.T, database string) *rig {
	t.Helper()
	r := &rig{cfg: cordontest.Settings(t, database)}
	within(t, r.cfg, server.Options{}, func(c *cordontest.Cordon) {
		client := c.IoT()
		plant(t, c, full)
		cert := newFleet(1)[1:2] // expired
		if err := c.Store().RegisterCertificates(t.Context(), scope, cert); err != nil {
			t.Fatal(err)
		}
		attach(t, c, cert[0].ID, "")
		for i := range fleet.MaxGroupsPerThing - 3 {
			name := fmt.Sprint("g", i)
			createGroup(t, client, name)
			which := ""
			if i == 0 {
				which = ` AND t.name NOT LIKE '%1'`
			}
			execute(t, c, `INSERT INTO group_members (scope, thing, root, thing_group, created_at)
				SELECT t.scope, t.name, g.root, g.seq, 1 FROM things t, thing_groups g WHERE g.name = '`+name+`'`+which)
		}
		for _, name := range []string{"older", "younger"} {
			must[*iot.CreateDynamicThingGroupOutput](t)(client.CreateDynamicThingGroup(t.Context(),
				&iot.CreateDynamicThingGroupInput{ThingGroupName: &name, QueryString: new("thingGroupNames:plant")}))
			cordontest.AwaitGroup(t, client, name)
		}
		createGroup(t, client, "quarantine")
		createGroup(t, client, "watch")
		createAction(t, client, "override", types.MitigationActionParams{
			AddThingsToThingGroupParams: &types.AddThingsToThingGroupParams{
				ThingGroupNames: []string{"quarantine", "watch"}, OverrideDynamicGroups: new(true),
			},
		})
		cordontest.Enable(t, client, expiring)
		r.audit, _ = cordontest.Audit(t, client, expiring)
	})
	e := r.inspect(t)
	e.want(full*fleet.MaxGroupsPerThing-roomy, "memberships", `SELECT count(*) FROM group_members`)
	return r
}

func createGroup(t *testing.T, c *iot.Client, name string) {
	t.Helper()
	must[*iot.CreateThingGroupOutput](t)(c.CreateThingGroup(t.Context(), &iot.CreateThingGroupInput{
		ThingGroupName: &name,
	}))
}

// A slice takes a quarter of its things, for each may take four changes:
// three slices, and one that ends the task.
func TestAMitigationThatOverridesSurvivesOneCrashAfterTheOther(t *testing.T) {
	const kind, part = "mitigation", sliceRows / 4
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			r := fullThings(t, database)
			for i, s := range []struct {
				at   stop
				done int
			}{
				{stop{kind, "inside", 1, killed}, 0},
				{stop{kind, "after", 1, killed}, part},
				{stop{kind, "inside", 2, killed}, 2 * part},
				{stop{kind, "inside", 1, killed}, 2 * part},
				{stop{kind, "inside", 2, killed}, full},
			} {
				t.Log("crash", i, s.at)
				p := launch(t, r.cfg, s.at)
				if i == 0 {
					p.awaitReady(t)
					r.startActions(t, p, expiring, "override")
				}
				p.wantKilled(t)
				r.wantOverridden(t, s.done)
			}
			p := start(t, r.cfg)
			r.wantOneFinding(t, p, expiring)
			p.terminate(t)
			e := r.wantOverridden(t, full)
			wantText(t, "groups", e.groups(`SELECT g.name, '', count(*) FROM group_members m
				JOIN thing_groups g ON g.seq = m.thing_group GROUP BY 1 ORDER BY 1`),
				fmt.Sprintf("g0: %[2]d, g1: %[1]d, g2: %[1]d, g3: %[1]d, g4: %[1]d, g5: %[1]d, g6: %[1]d, older: %[3]d, "+
					"plant: %[1]d, quarantine: %[1]d, watch: %[1]d", full, full-roomy, roomy))
		})
	}
}

// wantOverridden wants so many things in the groups of the action and no other
// in either of them, no thing in more groups than it may be in, and every change
// once and as it is recorded.
func (r *rig) wantOverridden(t *testing.T, things int) *evidence {
	t.Helper()
	e := r.inspect(t)
	const in = `SELECT count(*) FROM group_members m JOIN thing_groups g ON g.seq = m.thing_group WHERE g.name = `
	e.want(things, "things in quarantine", in+`'quarantine'`)
	e.want(things, "things in watch", in+`'watch'`)
	e.want(0, "things in more groups than they may be in", `SELECT count(*) FROM (SELECT thing FROM group_members
		GROUP BY scope, thing HAVING count(*) > `+fmt.Sprint(fleet.MaxGroupsPerThing)+`) crowded`)
	gone := full*fleet.MaxGroupsPerThing - roomy + 2*things - e.number(`SELECT count(*) FROM group_members`)
	e.want(gone, "recorded evictions", `SELECT count(*) FROM execution_changes WHERE to_side = 'false'`)
	e.want(2*things, "recorded joins", `SELECT count(*) FROM execution_changes WHERE to_side = 'true'`)
	e.want(2*things+gone, "different changes", `SELECT count(DISTINCT resource) FROM execution_changes`)
	if things == full && gone != evictions {
		t.Errorf("got %d evictions, want %d", gone, evictions)
	}
	return e
}
