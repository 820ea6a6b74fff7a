package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// authorizationPart asks what decides over devices; the policies say whose
// world it is.
var authorizationPart = part{
	furnish: func(*testing.T, *world) {},
	reads: func(w *world) []attempt {
		info := []types.AuthInfo{{ActionType: types.ActionTypePublish, Resources: []string{*w.arn("topic", w.note)}}}
		return []attempt{
			{&iot.GetEffectivePoliciesInput{Principal: w.arn("cert", w.expiredID), ThingName: new("home-pump")}, notFound, fine},
			{&iot.GetEffectivePoliciesInput{Principal: w.arn("thinggroup", "home-lab")}, notFound, fine},
			{&iot.GetEffectivePoliciesInput{ThingName: new("home-pump")}, notFound, fine},
			{&iot.TestAuthorizationInput{
				Principal: w.arn("cert", w.expiredID), ClientId: new("home-pump"), AuthInfos: info,
				PolicyNamesToAdd: []string{"home-spare"}, PolicyNamesToSkip: []string{"home-broad"},
			}, notFound, fine},
		}
	},
	writes: func(*world) []attempt { return nil },
}
