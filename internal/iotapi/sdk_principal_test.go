package iotapi_test

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

func (j *journey) principals() {
	pump, valve := new("sdk-pump"), new("sdk-valve")
	for _, name := range []*string{pump, valve} {
		step(j, &iot.CreateThingInput{ThingName: name},
			&iot.CreateThingOutput{ThingName: name, ThingArn: j.arn("thing", *name), ThingId: &some})
	}
	certs := []string{register(j, j.c, in(100)), register(j, j.c, in(100))}
	slices.Sort(certs)
	first, second := j.arn("cert", certs[0]), j.arn("cert", certs[1])
	const shared, alone = types.ThingPrincipalTypeNonExclusiveThing, types.ThingPrincipalTypeExclusiveThing
	attach := func(thing, principal *string, kind types.ThingPrincipalType) {
		step[iot.AttachThingPrincipalOutput](j, &iot.AttachThingPrincipalInput{
			ThingName: thing, Principal: principal, ThingPrincipalType: kind,
		}, nil)
	}
	attach(pump, first, shared)
	attach(pump, second, shared)
	attach(valve, first, shared)
	pages(j, &iot.ListThingPrincipalsInput{ThingName: pump, MaxResults: new(int32(1))},
		&iot.ListThingPrincipalsOutput{Principals: []string{*first}},
		&iot.ListThingPrincipalsOutput{Principals: []string{*second}})
	object := func(principal *string, kind types.ThingPrincipalType) []types.ThingPrincipalObject {
		return []types.ThingPrincipalObject{{Principal: principal, ThingPrincipalType: kind}}
	}
	pages(j, &iot.ListThingPrincipalsV2Input{ThingName: pump, ThingPrincipalType: shared, MaxResults: new(int32(1))},
		&iot.ListThingPrincipalsV2Output{ThingPrincipalObjects: object(first, shared)},
		&iot.ListThingPrincipalsV2Output{ThingPrincipalObjects: object(second, shared)})
	pages(j, &iot.ListPrincipalThingsInput{Principal: first, MaxResults: new(int32(1))},
		&iot.ListPrincipalThingsOutput{Things: []string{*pump}}, &iot.ListPrincipalThingsOutput{Things: []string{*valve}})
	thing := func(name *string, kind types.ThingPrincipalType) []types.PrincipalThingObject {
		return []types.PrincipalThingObject{{ThingName: name, ThingPrincipalType: kind}}
	}
	pages(j, &iot.ListPrincipalThingsV2Input{Principal: first, ThingPrincipalType: shared, MaxResults: new(int32(1))},
		&iot.ListPrincipalThingsV2Output{PrincipalThingObjects: thing(pump, shared)},
		&iot.ListPrincipalThingsV2Output{PrincipalThingObjects: thing(valve, shared)})
	step[iot.DetachThingPrincipalOutput](j, &iot.DetachThingPrincipalInput{ThingName: pump, Principal: second}, nil)
	attach(valve, second, alone)
	step(j, &iot.ListPrincipalThingsV2Input{Principal: second},
		&iot.ListPrincipalThingsV2Output{PrincipalThingObjects: thing(valve, alone)})
}
