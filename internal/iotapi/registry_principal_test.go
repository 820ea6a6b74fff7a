package iotapi_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func TestThingPrincipals(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		shared, own, free := certARN(register(t, c, fixture.Template{})), certARN(register(t, c, fixture.Template{})),
			certARN(register(t, c, fixture.Template{}))
		const exclusive, usual = types.ThingPrincipalTypeExclusiveThing, types.ThingPrincipalTypeNonExclusiveThing
		attach := func(thing, principal string, kind types.ThingPrincipalType) error {
			_, err := c.AttachThingPrincipal(ctx, &iot.AttachThingPrincipalInput{
				ThingName: &thing, Principal: &principal, ThingPrincipalType: kind,
			})
			return err
		}
		thing(t, c, "pump", "")
		thing(t, c, "valve", "")
		expect(t, attach("pump", shared, ""), fine)
		expect(t, attach("pump", shared, usual), fine) // the same again
		expect(t, attach("valve", shared, usual), fine)
		expect(t, attach("pump", own, exclusive), fine)
		expect(t, attach("valve", own, usual), invalid)        // it is another's alone
		expect(t, attach("valve", shared, exclusive), invalid) // it is not alone
		expect(t, attach("none", free, usual), notFound)
		expect(t, attach("pump", certARN("00"), usual), notFound)
		expect(t, attach("pump", "arn:aws:iot:us-east-1:000000000000:policy/p", usual), invalid)
		expect(t, attach("pump", "us-east-1:cognito-identity", usual), invalid)

		same(t, "principals", pagedPrincipals(t, c, "pump", ""),
			[]string{shared + " " + string(usual), own + " " + string(exclusive)})
		same(t, "exclusive ones", pagedPrincipals(t, c, "pump", exclusive), []string{own + " " + string(exclusive)})
		same(t, "things", pagedThings(t, c, shared, ""), []string{"pump " + string(usual), "valve " + string(usual)})
		same(t, "exclusive things", pagedThings(t, c, own, exclusive), []string{"pump " + string(exclusive)})
		same(t, "exclusive things of a shared one", pagedThings(t, c, shared, exclusive), nil)
		same(t, "principals, the older call", all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
			out, err := c.ListThingPrincipals(ctx, &iot.ListThingPrincipalsInput{
				ThingName: new("pump"), NextToken: token, MaxResults: new(int32(1)),
			})
			if err != nil {
				return nil, nil, err
			}
			return out.Principals, out.NextToken, nil
		}), []string{shared, own})
		same(t, "things, the older call", all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
			out, err := c.ListPrincipalThings(ctx, &iot.ListPrincipalThingsInput{
				Principal: &shared, NextToken: token, MaxResults: new(int32(1)),
			})
			if err != nil {
				return nil, nil, err
			}
			return out.Things, out.NextToken, nil
		}), []string{"pump", "valve"})

		_, err := c.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: new("pump")})
		expect(t, err, invalid) // it has principals
		detach := func(thing, principal string) error {
			_, err := c.DetachThingPrincipal(ctx, &iot.DetachThingPrincipalInput{ThingName: &thing, Principal: &principal})
			return err
		}
		expect(t, detach("pump", own), fine)
		expect(t, attach("valve", own, exclusive), fine) // it is free now
		expect(t, detach("pump", shared), fine)
		same(t, "things after a detach", pagedThings(t, c, shared, ""), []string{"valve " + string(usual)})
		_, err = c.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: new("pump")})
		expect(t, err, fine)
		_, err = c.ListThingPrincipals(ctx, &iot.ListThingPrincipalsInput{ThingName: new("pump")})
		expect(t, err, notFound)
	})
}

// pagedPrincipals are the principals of a thing with how they are attached.
func pagedPrincipals(t *testing.T, c *iot.Client, thing string, kind types.ThingPrincipalType) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
		out, err := c.ListThingPrincipalsV2(ctx, &iot.ListThingPrincipalsV2Input{
			ThingName: &thing, ThingPrincipalType: kind, NextToken: token, MaxResults: new(int32(1)),
		})
		if err != nil {
			return nil, nil, err
		}
		var list []string
		for _, p := range out.ThingPrincipalObjects {
			list = append(list, *p.Principal+" "+string(p.ThingPrincipalType))
		}
		return list, out.NextToken, nil
	})
}

// pagedThings are the things of a principal with how they are attached.
func pagedThings(t *testing.T, c *iot.Client, principal string, kind types.ThingPrincipalType) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
		out, err := c.ListPrincipalThingsV2(ctx, &iot.ListPrincipalThingsV2Input{
			Principal: &principal, ThingPrincipalType: kind, NextToken: token, MaxResults: new(int32(1)),
		})
		if err != nil {
			return nil, nil, err
		}
		var list []string
		for _, p := range out.PrincipalThingObjects {
			list = append(list, *p.ThingName+" "+string(p.ThingPrincipalType))
		}
		return list, out.NextToken, nil
	})
}
