package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func TestRoleAliases(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		arn := home.ARN("rolealias", "a")
		create := &iot.CreateRoleAliasInput{
			RoleAlias: new("a"), RoleArn: new(cordontest.RoleARN), Tags: []types.Tag{{Key: new("k"), Value: new("v")}},
		}
		made := must[*iot.CreateRoleAliasOutput](t)(c.CreateRoleAlias(ctx, create))
		if *made.RoleAlias != "a" || *made.RoleAliasArn != arn {
			t.Errorf("got %s, want a and %s", words(t, made), arn)
		}
		_, err := c.CreateRoleAlias(ctx, create)
		expect(t, err, exists)
		describe := func() *types.RoleAliasDescription {
			return must[*iot.DescribeRoleAliasOutput](t)(c.DescribeRoleAlias(ctx, &iot.DescribeRoleAliasInput{
				RoleAlias: new("a"),
			})).RoleAliasDescription
		}
		first := describe()
		if *first.RoleArn != cordontest.RoleARN || *first.CredentialDurationSeconds != 3600 ||
			*first.Owner != cordontest.Account || *first.RoleAliasArn != arn {
			t.Errorf("got %s, want an hour for the role", words(t, first))
		}
		_, err = c.UpdateRoleAlias(ctx, &iot.UpdateRoleAliasInput{
			RoleAlias: new("a"), CredentialDurationSeconds: new(int32(43200)),
		})
		expect(t, err, fine)
		if got := describe(); *got.CredentialDurationSeconds != 43200 || *got.RoleArn != cordontest.RoleARN ||
			!got.CreationDate.Equal(*first.CreationDate) {
			t.Errorf("got %s, want twelve hours for the same role", words(t, got))
		}
		for _, seconds := range []int32{899, 43201} {
			_, err = c.UpdateRoleAlias(ctx, &iot.UpdateRoleAliasInput{
				RoleAlias: new("a"), CredentialDurationSeconds: &seconds,
			})
			expect(t, err, invalid)
			saying(t, err, "'credentialDurationSeconds'")
		}
		_, err = c.DeleteRoleAlias(ctx, &iot.DeleteRoleAliasInput{RoleAlias: new("a")})
		expect(t, err, fine)
		_, err = c.DeleteRoleAlias(ctx, &iot.DeleteRoleAliasInput{RoleAlias: new("a")})
		expect(t, err, notFound)
		_, err = c.ListTagsForResource(ctx, &iot.ListTagsForResourceInput{ResourceArn: &arn})
		expect(t, err, notFound)
	})
}
