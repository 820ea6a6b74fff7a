package cordonapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/awswire/restjson"
	"github.com/cordon-iot/cordon/internal/cordonapi/wire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	iotwire "github.com/cordon-iot/cordon/internal/iotapi/wire"
	"github.com/cordon-iot/cordon/internal/pki"
)

// importStore is what imports need.
type importStore interface {
	// Import stores a batch once. It is Conflict for one that differs from what
	// was stored as it.
	Import(ctx context.Context, scope fleet.Scope, b *fleet.ImportBatch) (*fleet.ImportOutcome, error)
	// ImportBatches lists the batches that were stored, or is NotFound.
	ImportBatches(ctx context.Context, scope fleet.Scope, id string, after int64, limit int) (
		source string, list []*fleet.ImportOutcome, err error)
	// DeleteImport forgets an import.
	DeleteImport(ctx context.Context, scope fleet.Scope, id string) error
	// CACertificatesOfSubject returns the CA certificates of a subject.
	CACertificatesOfSubject(ctx context.Context, scope fleet.Scope, subject string) ([]fleet.CACertificate, error)
}

// maxImportBody is the greatest size of a batch: a thousand certificates with
// their chains.
const maxImportBody = 16 << 20

func (a *api) importDevices(ctx context.Context, in *wire.ImportDevicesRequest) (*wire.ImportDevicesResponse, error) {
	scope := scopeOf(ctx)
	b := &fleet.ImportBatch{
		Import: *in.ImportID, Source: *in.Source, N: int64(*in.Batch),
		Devices: make([]fleet.ImportDevice, len(in.Devices)),
	}
	var err error
	if b.Digest, err = digest(in.Devices); err != nil {
		return nil, err
	}
	p := &preparation{api: a, scope: scope}
	g, within := errgroup.WithContext(ctx)
	share := (len(in.Devices) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	for from := 0; from < len(in.Devices); from += share {
		g.Go(func() error { return p.run(within, in.Devices, b.Devices, from, min(from+share, len(in.Devices))) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out, err := a.Store.Import(ctx, scope, b)
	if err != nil {
		return nil, err
	}
	w := batchOf(out)
	return &wire.ImportDevicesResponse{Accepted: w.Accepted, Unchanged: w.Unchanged, Refusals: w.Refusals}, nil
}

// digest tells a batch from another one.
func digest(devices []wire.Device) (string, error) {
	text, err := json.Marshal(devices)
	if err != nil {
		return "", fmt.Errorf("encode devices: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// preparation turns devices on the wire into devices to store: everything that
// needs no transaction.
type preparation struct {
	*api
	scope fleet.Scope
}

func (p *preparation) run(ctx context.Context, in []wire.Device, out []fleet.ImportDevice, from, to int) error {
	issuers := map[string][]fleet.CACertificate{}
	for i := from; i < to; i++ {
		d, err := p.device(ctx, &in[i], issuers)
		if f := fault.From(err); f != nil {
			d = fleet.ImportDevice{Refused: f.Text}
		} else if err != nil {
			return err
		}
		out[i] = d
	}
	return nil
}

// device prepares one device. A fault refuses it.
func (p *preparation) device(ctx context.Context, in *wire.Device, issuers map[string][]fleet.CACertificate) (
	d fleet.ImportDevice, err error,
) {
	if err := checkForm(in); err != nil {
		return d, err
	}
	d.Groups, d.Policies = in.ThingGroupNames, in.PolicyNames
	if in.ThingName != nil {
		t := fleet.Thing{Name: *in.ThingName, ID: fleet.NewThingID(), Type: opt.Value(in.ThingTypeName), Created: p.Now()}
		if d.Thing, err = fleet.NewThing(t, fleet.AttributeUpdate{Values: in.Attributes}); err != nil {
			return d, err
		}
	} else if in.ThingTypeName != nil || len(in.Attributes) > 0 {
		return d, fault.New(fault.Invalid, "thingTypeName and attributes need a thingName")
	}
	if in.CertificatePEM != nil {
		if d.Certificate, err = p.certificate(ctx, in, issuers); err != nil {
			return d, err
		}
	} else if in.Status != nil || in.CACertificatePEM != nil {
		return d, fault.New(fault.Invalid, "status and caCertificatePem need a certificatePem")
	}
	return d, d.Check()
}

// checkForm holds a device to the constraints of the calls that would make it
// one by one.
func checkForm(in *wire.Device) error {
	var c restjson.Checker
	if in.ThingName != nil {
		iotwire.CreateThing.Validate(&iotwire.CreateThingRequest{
			ThingName: in.ThingName, ThingTypeName: in.ThingTypeName,
			AttributePayload: &iotwire.AttributePayload{Attributes: in.Attributes},
		}, &c)
	}
	for i := range in.ThingGroupNames {
		iotwire.DescribeThingGroup.Validate(&iotwire.DescribeThingGroupRequest{ThingGroupName: &in.ThingGroupNames[i]}, &c)
	}
	for i := range in.PolicyNames {
		iotwire.GetPolicy.Validate(&iotwire.GetPolicyRequest{PolicyName: &in.PolicyNames[i]}, &c)
	}
	if in.CertificatePEM != nil {
		iotwire.RegisterCertificate.Validate(&iotwire.RegisterCertificateRequest{
			CertificatePEM: in.CertificatePEM, CACertificatePEM: in.CACertificatePEM, Status: in.Status,
		}, &c)
	}
	return c.Err()
}

// certificate is the device certificate, registered under the CA that signed
// it if the account has that one, else without.
func (p *preparation) certificate(ctx context.Context, in *wire.Device, issuers map[string][]fleet.CACertificate) (
	*fleet.Certificate, error,
) {
	parsed, above, err := fleet.Chain(*in.CertificatePEM, p.Now())
	if err != nil {
		return nil, err
	}
	status := fleet.Inactive
	if in.Status != nil {
		status = fleet.Status(*in.Status)
	}
	c, err := fleet.NewCertificate(parsed, status, p.Now())
	if err != nil {
		return nil, err
	}
	c.Provenance.Issuers = above
	registered, ok := issuers[parsed.IssuerMatch]
	if !ok {
		if registered, err = p.Store.CACertificatesOfSubject(ctx, p.scope, parsed.IssuerMatch); err != nil {
			return nil, err
		}
		issuers[parsed.IssuerMatch] = registered
	}
	var named *pki.Certificate
	if in.CACertificatePEM != nil {
		if named, err = pki.ParseCertificate(*in.CACertificatePEM); err != nil {
			return nil, err
		}
	} else if len(registered) == 0 {
		return c, nil
	}
	ca, err := fleet.IssuerOf(parsed, named, registered)
	switch {
	case err == nil:
		c.CAID, c.Mode = ca.ID, ca.Mode
		return c, nil
	case named == nil && fault.Is(err, fault.CertificateInvalid):
		return c, nil // another CA of the same name signed it
	}
	return nil, err
}

func (a *api) listImportBatches(ctx context.Context, in *wire.ListImportBatchesRequest) (
	*wire.ListImportBatchesResponse, error,
) {
	binding := "ListImportBatches " + *in.ImportID
	after, n := int64(0), awswire.PageSize(in.MaxResults)
	if err := a.Pages.Open(ctx, binding, in.NextToken, &after); err != nil {
		return nil, err
	}
	source, list, err := a.Store.ImportBatches(ctx, scopeOf(ctx), *in.ImportID, after, n+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListImportBatchesResponse{Source: &source, Batches: []wire.ImportBatch{}}
	for _, b := range list {
		out.Batches = append(out.Batches, batchOf(b))
		after = b.N
	}
	out.NextToken, err = a.Pages.Next(ctx, binding, more, after)
	return out, err
}

func batchOf(o *fleet.ImportOutcome) wire.ImportBatch {
	w := wire.ImportBatch{
		Batch: new(int(o.N)), Accepted: &o.Accepted, Unchanged: &o.Unchanged, Refusals: []wire.ImportRefusal{},
	}
	for _, r := range o.Refusals {
		w.Refusals = append(w.Refusals, wire.ImportRefusal{Position: new(r.Position), Reason: new(r.Reason)})
	}
	return w
}

func (a *api) deleteImport(ctx context.Context, in *wire.DeleteImportRequest) (*wire.DeleteImportResponse, error) {
	return nil, a.Store.DeleteImport(ctx, scopeOf(ctx), *in.ImportID)
}

func scopeOf(ctx context.Context) fleet.Scope {
	c := awswire.CallerFrom(ctx)
	return fleet.Scope{Account: c.Account, Region: c.Region}
}
