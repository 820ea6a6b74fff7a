package gateway

import (
	"context"
	"slices"
	"testing"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// answering answers for each connection with a thing called like the client, and
// remembers how many it was asked about.
type answering struct {
	alike string // a certificate that is the same under every client id
	asked []int
}

func (a *answering) Devices(_ context.Context, _ fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error) {
	a.asked = append(a.asked, len(refs))
	list := make([]fleet.Device, len(refs))
	for i, ref := range refs {
		list[i] = fleet.Device{Thing: &fleet.Thing{Name: ref.ClientID}, AnyClient: ref.Certificate == a.alike}
	}
	return list, nil
}

func (a *answering) Bars(ctx context.Context, scope fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error) {
	return a.Devices(ctx, scope, refs)
}

func (a *answering) PolicyDocuments(context.Context, fleet.Scope, []fleet.PolicyRef) ([]fleet.PolicyVersion, error) {
	return nil, nil
}

func TestACertificateWithAThingOfItsOwnIsReadOnce(t *testing.T) {
	r := &answering{alike: "own"}
	g := &Gateway{Options: Options{Registry: r}}
	list, err := g.lookUp(t.Context(), home, []fleet.DeviceRef{
		{Certificate: "own", ClientID: "a"}, {Certificate: "other", ClientID: "b"}, {Certificate: "own", ClientID: "c"},
		{Certificate: "other", ClientID: "d"}, {Certificate: "own", ClientID: "e"}, {Certificate: "third", ClientID: "f"},
		{Certificate: "other", ClientID: "g"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, d.Thing.Name)
	}
	if want := []string{"a", "b", "a", "d", "a", "f", "g"}; !slices.Equal(got, want) {
		t.Errorf("got the things %v, want %v", got, want)
	}
	if want := []int{3, 2}; !slices.Equal(r.asked, want) {
		t.Errorf("got readings of %v connections, want %v", r.asked, want)
	}
}
