package iotapi_test

import (
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func (j *journey) roleAliases() {
	first, second, role := new("sdk-1"), new("sdk-2"), new(cordontest.RoleARN)
	for _, name := range []*string{first, second} {
		step(j, &iot.CreateRoleAliasInput{RoleAlias: name, RoleArn: role, CredentialDurationSeconds: new(int32(900)),
			Tags: []types.Tag{{Key: new("team"), Value: new("pumps")}},
		}, &iot.CreateRoleAliasOutput{RoleAlias: name, RoleAliasArn: j.arn("rolealias", *name)})
	}
	other := new(*role + "2")
	step(j, &iot.UpdateRoleAliasInput{RoleAlias: first, RoleArn: other, CredentialDurationSeconds: new(int32(1800))},
		&iot.UpdateRoleAliasOutput{RoleAlias: first, RoleAliasArn: j.arn("rolealias", *first)})
	step(j, &iot.DescribeRoleAliasInput{RoleAlias: first}, &iot.DescribeRoleAliasOutput{
		RoleAliasDescription: &types.RoleAliasDescription{
			RoleAlias: first, RoleAliasArn: j.arn("rolealias", *first), RoleArn: other, Owner: &j.Account,
			CredentialDurationSeconds: new(int32(1800)), CreationDate: &now, LastModifiedDate: &now,
		},
	})
	pages(j, &iot.ListRoleAliasesInput{PageSize: new(int32(1)), AscendingOrder: true},
		&iot.ListRoleAliasesOutput{RoleAliases: []string{*first}},
		&iot.ListRoleAliasesOutput{RoleAliases: []string{*second}})
	step[iot.DeleteRoleAliasOutput](j, &iot.DeleteRoleAliasInput{RoleAlias: first}, nil)
	step(j, &iot.ListRoleAliasesInput{}, &iot.ListRoleAliasesOutput{RoleAliases: []string{*second}})
}
