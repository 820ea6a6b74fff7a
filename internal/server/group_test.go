package server_test

import (
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/server"
)

// The members of a group are found and removed to the end, whenever the
// process dies meanwhile.
func TestWorkOnGroupsSurvivesCrashes(t *testing.T) {
	const kind, things = fleet.GroupWorkKind, 5 * sliceRows / 2
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			cfg := cordontest.Settings(t, database)
			r := &rig{cfg: cfg}
			within(t, cfg, server.Options{}, func(c *cordontest.Cordon) { plant(t, c, things) })

			p := start(t, cfg, stop{kind, "after", 1, killed})
			_, err := p.iot().CreateDynamicThingGroup(t.Context(), &iot.CreateDynamicThingGroupInput{
				ThingGroupName: new("in-plant"), QueryString: new("thingGroupNames:plant"),
			})
			t.Logf("the call was answered with: %v", err)
			p.wantKilled(t)
			r.inspect(t).want(things+sliceRows, "members after a slice", `SELECT count(*) FROM group_members`)
			p = start(t, cfg)
			cordontest.AwaitGroup(t, p.iot(), "in-plant")
			p.terminate(t)
			r.inspect(t).want(2*things, "members of both groups", `SELECT count(*) FROM group_members`)

			p = start(t, cfg, stop{kind, "inside", 2, killed})
			_, err = p.iot().DeleteThingGroup(t.Context(), &iot.DeleteThingGroupInput{ThingGroupName: new("plant")})
			t.Logf("the call was answered with: %v", err)
			p.wantKilled(t)
			r.inspect(t).want(2*(things-sliceRows), "members after a slice", `SELECT count(*) FROM group_members`)
			p = start(t, cfg, stop{kind, "after", 2, waiting})
			p.await(t, waiting)
			p.release(t)
			p.terminate(t)
			e := r.inspect(t)
			e.want(0, "members of a group that is gone, and of one that follows it", `SELECT count(*) FROM group_members`)
			e.want(0, "work that is left", `SELECT count(*) FROM group_work`)
		})
	}
}

// plant makes things, all in the group plant, and has them indexed.
func plant(t *testing.T, c *cordontest.Cordon, things int) {
	t.Helper()
	ctx, client := t.Context(), c.IoT()
	if _, err := client.CreateThingGroup(ctx, &iot.CreateThingGroupInput{ThingGroupName: new("plant")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.UpdateIndexingConfiguration(ctx, &iot.UpdateIndexingConfigurationInput{
		ThingIndexingConfiguration: &types.ThingIndexingConfiguration{ThingIndexingMode: types.ThingIndexingModeRegistry},
	}); err != nil {
		t.Fatal(err)
	}
	const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < `
	for _, text := range []string{
		`INSERT INTO things (scope, name, id, attributes, version, created_at)
			SELECT g.scope, 'thing-' || i, 'i', '{}', 1, 1 FROM n, thing_groups g`,
		`INSERT INTO group_members (scope, thing, root, thing_group, created_at)
			SELECT g.scope, 'thing-' || i, g.root, g.seq, 1 FROM n, thing_groups g`,
	} {
		execute(t, c, numbers+strconv.Itoa(things)+`) `+text)
	}
}

// execute runs a statement on the database of a server: calls would take longer
// than the test.
func execute(t *testing.T, c *cordontest.Cordon, text string) {
	t.Helper()
	var err error
	if db := c.Store().SQLite(); db != nil {
		_, err = db.ExecContext(t.Context(), text)
	} else {
		_, err = c.Store().Postgres().Exec(t.Context(), text)
	}
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// A node that dies of the deletion of a group leaves nothing: another one does
// what is left, without a restart.
func TestAnotherNodeDeletesTheGroupOfAKilledOne(t *testing.T) {
	const kind, things = fleet.GroupWorkKind, 5 * sliceRows / 2
	for _, tt := range []struct {
		name        string
		at          stop
		left, other int // members at the kill, and the slices of the other node
	}{
		{"between the accepted call and the first slice", stop{kind, "accepted", 0, killed}, things, 3},
		{"between two slices", stop{kind, "after", 1, killed}, things - sliceRows, 2},
		{"inside the last slice", stop{kind, "inside", 3, killed}, things - 2*sliceRows, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &rig{cfg: cordontest.Settings(t, "postgres")}
			within(t, r.cfg, server.Options{}, func(c *cordontest.Cordon) { plant(t, c, things) })
			other := start(t, r.cfg, stop{kind, "after", tt.other, waiting})
			p := start(t, r.cfg, tt.at)
			_, err := p.iot().DeleteThingGroup(t.Context(), &iot.DeleteThingGroupInput{ThingGroupName: new("plant")})
			t.Logf("the call was answered with: %v", err)
			p.wantKilled(t)
			r.inspect(t).want(tt.left, "members at the kill", `SELECT count(*) FROM group_members`)

			other.await(t, waiting)
			other.release(t)
			other.terminate(t)
			e := r.inspect(t)
			e.want(0, "members of a group that is gone", `SELECT count(*) FROM group_members`)
			e.want(0, "work that is left", `SELECT count(*) FROM group_work`)
			e.want(things, "things", `SELECT count(*) FROM things`)
			e.want(0, "groups", `SELECT count(*) FROM thing_groups`)
		})
	}
}
