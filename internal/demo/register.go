package demo

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"golang.org/x/sync/errgroup"
)

// register puts the fleet into the registry.
func (d *demo) register(ctx context.Context) error {
	d.screen.heading("Register a fleet through the AWS SDK for Go")
	began, before := time.Now(), d.host.calls.Load()
	for _, step := range []func(context.Context) error{d.registerCAs, d.createGroups, d.createPolicies} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	rate := func() string {
		calls := float64(d.host.calls.Load() - before)
		return fmt.Sprintf("%s calls/s", count(int(calls/time.Since(began).Seconds())))
	}
	b := bar{total: int64(d.Devices), unit: "devices", count: &d.registered, note: rate}
	err := d.screen.progress(b, func() error { return d.registerDevices(ctx) })
	if err != nil {
		return err
	}
	r := &d.report.Registration
	*r = registrationReport{
		CACertificates: 2, Certificates: d.Devices, Things: d.Devices, ThingGroups: len(sites) + 2,
		Policies: len(policies), Calls: d.host.calls.Load() - before, Seconds: since(began),
		Planted: plantedReport{
			Expired: len(d.fleet.with(expired)), Expiring: len(d.fleet.with(expiring)), Weak: len(d.fleet.with(weak)),
			ExpiringCAs: 1, BroadPolicies: len(offending(permissive)), MisconfiguredPolicies: len(offending(misconfigured)),
			LoggingOff: true,
		},
	}
	r.CallsPerSecond = float64(r.Calls) / float64(r.Seconds)
	d.showRegistration()
	return nil
}

func (d *demo) showRegistration() {
	r := &d.report.Registration
	d.screen.line("%s calls in %s: %s things, each with an X.509 certificate, a policy and a group;",
		count(int(r.Calls)), r.Seconds, count(r.Things))
	d.screen.line("%d CAs, %d policies, %d thing groups.", r.CACertificates, r.Policies, r.ThingGroups)
	d.screen.note("Planted: %s certificates that have expired, %s that soon will, %s with a weak key (ROCA),",
		count(r.Planted.Expired), count(r.Planted.Expiring), count(r.Planted.Weak))
	d.screen.note("%d CA that soon expires, %d policies too broad, %d misconfigured, and logging is off.",
		r.Planted.ExpiringCAs, r.Planted.BroadPolicies, r.Planted.MisconfiguredPolicies)
}

// registerCAs registers both, each with a proof that its key is held.
func (d *demo) registerCAs(ctx context.Context) error {
	if err := d.fleet.newAuthorities(time.Now()); err != nil {
		return err
	}
	code, err := d.client.GetRegistrationCode(ctx, &iot.GetRegistrationCodeInput{})
	if err != nil {
		return err
	}
	for _, ca := range []*authority{&d.fleet.current, &d.fleet.legacy} {
		proof, err := ca.Verification(aws.ToString(code.RegistrationCode))
		if err != nil {
			return err
		}
		out, err := d.client.RegisterCACertificate(ctx, &iot.RegisterCACertificateInput{
			CaCertificate: &ca.PEM, VerificationCertificate: &proof, SetAsActive: true,
		})
		if err != nil {
			return err
		}
		ca.id = aws.ToString(out.CertificateId)
	}
	return nil
}

func (d *demo) createGroups(ctx context.Context) error {
	groups := []iot.CreateThingGroupInput{{ThingGroupName: aws.String(allSites)}, {ThingGroupName: aws.String(quarantine)}}
	for _, site := range sites {
		groups = append(groups, iot.CreateThingGroupInput{ThingGroupName: &site, ParentGroupName: aws.String(allSites)})
	}
	for i := range groups {
		if _, err := d.client.CreateThingGroup(ctx, &groups[i]); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) createPolicies(ctx context.Context) error {
	for _, p := range policies {
		text, err := document(p.name)
		if err != nil {
			return err
		}
		_, err = d.client.CreatePolicy(ctx, &iot.CreatePolicyInput{PolicyName: &p.name, PolicyDocument: &text})
		if err != nil {
			return err
		}
	}
	return nil
}

// registerDevices registers every device, several at a time.
func (d *demo) registerDevices(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(callers)
	for i := range d.fleet.devices {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if err := d.registerDevice(ctx, i); err != nil {
				return fmt.Errorf("%s: %w", d.fleet.devices[i].thing, err)
			}
			d.registered.Add(1)
			return nil
		})
	}
	return g.Wait()
}

// registerDevice registers a certificate and a thing, and ties them together.
func (d *demo) registerDevice(ctx context.Context, i int) error {
	v := &d.fleet.devices[i]
	leaf, err := d.fleet.issue(v, time.Now())
	if err != nil {
		return err
	}
	if d.fleet.isLive(i) {
		v.identity = &tls.Certificate{Certificate: [][]byte{leaf.DER}, PrivateKey: leaf.Key}
	}
	out, err := d.client.RegisterCertificate(ctx, &iot.RegisterCertificateInput{
		CertificatePem: &leaf.PEM, Status: types.CertificateStatusActive,
	})
	if err != nil {
		return err
	}
	v.certificate = aws.ToString(out.CertificateId)
	_, err = d.client.CreateThing(ctx, &iot.CreateThingInput{
		ThingName: &v.thing, AttributePayload: &types.AttributePayload{Attributes: map[string]string{"site": v.site}},
	})
	if err != nil {
		return err
	}
	_, err = d.client.AttachThingPrincipal(ctx, &iot.AttachThingPrincipalInput{
		ThingName: &v.thing, Principal: out.CertificateArn,
	})
	if err != nil {
		return err
	}
	_, err = d.client.AddThingToThingGroup(ctx, &iot.AddThingToThingGroupInput{
		ThingName: &v.thing, ThingGroupName: &v.site,
	})
	if err != nil {
		return err
	}
	_, err = d.client.AttachPolicy(ctx, &iot.AttachPolicyInput{PolicyName: &v.policy, Target: out.CertificateArn})
	return err
}
