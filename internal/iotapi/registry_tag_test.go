package iotapi_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// tagList is tags from "key=value" texts.
func tagList(list ...string) []types.Tag {
	var out []types.Tag
	for _, text := range list {
		key, value, _ := strings.Cut(text, "=")
		out = append(out, types.Tag{Key: &key, Value: &value})
	}
	return out
}

// tagsOf are the tags of a resource as "key=value" texts.
func tagsOf(t testing.TB, c *iot.Client, arn string) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
		out, err := c.ListTagsForResource(ctx, &iot.ListTagsForResourceInput{ResourceArn: &arn, NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		var list []string
		for _, tag := range out.Tags {
			list = append(list, *tag.Key+"="+*tag.Value)
		}
		return list, out.NextToken, nil
	})
}

func TestTagsOfResources(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, tags := cordon.IoT(), tagList("team=red")
		must[*iot.CreateThingGroupOutput](t)(c.CreateThingGroup(t.Context(),
			&iot.CreateThingGroupInput{ThingGroupName: new("g"), Tags: tags}))
		must[*iot.CreatePolicyOutput](t)(c.CreatePolicy(t.Context(),
			&iot.CreatePolicyInput{PolicyName: new("p"), PolicyDocument: new(narrowPolicy), Tags: tags}))
		must[*iot.CreateMitigationActionOutput](t)(c.CreateMitigationAction(t.Context(), &iot.CreateMitigationActionInput{
			ActionName: new("a"), RoleArn: new(cordontest.RoleARN), ActionParams: new(deactivate()), Tags: tags,
		}))
		ca := newCA(t, fixture.Template{CommonName: "Tagged"})
		caOut := must[*iot.RegisterCACertificateOutput](t)(c.RegisterCACertificate(t.Context(),
			&iot.RegisterCACertificateInput{
				CaCertificate: &ca.PEM, CertificateMode: types.CertificateModeSniOnly, Tags: tags,
			}))
		const prefix = "arn:aws:iot:us-east-1:000000000000:"
		for _, arn := range []string{
			prefix + "thinggroup/g", prefix + "policy/p", prefix + "mitigationaction/a", *caOut.CertificateArn,
		} {
			t.Run(strings.Split(arn[len(prefix):], "/")[0], func(t *testing.T) {
				_, err := c.TagResource(t.Context(), &iot.TagResourceInput{
					ResourceArn: &arn, Tags: tagList("team=blue", "site=north/1", "Größe +1=", "a:b=@_.-"),
				})
				expect(t, err, fine)
				same(t, "tags", tagsOf(t, c, arn), []string{"Größe +1=", "a:b=@_.-", "site=north/1", "team=blue"})
				_, err = c.UntagResource(t.Context(), &iot.UntagResourceInput{
					ResourceArn: &arn, TagKeys: []string{"team", "a:b", "Größe +1", "other"},
				})
				expect(t, err, fine)
				same(t, "tags", tagsOf(t, c, arn), []string{"site=north/1"})
			})
		}
	})
}

func TestTagsBeyondAPageAndTheMost(t *testing.T) {
	t.Parallel()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT()
	group(t, c, "g", "")
	arn := "arn:aws:iot:us-east-1:000000000000:thinggroup/g"
	var texts []string
	for i := range 50 {
		texts = append(texts, fmt.Sprintf("k%02d=%d", i, i))
	}
	put := func(texts ...string) error {
		_, err := c.TagResource(t.Context(), &iot.TagResourceInput{ResourceArn: &arn, Tags: tagList(texts...)})
		return err
	}
	expect(t, put(texts...), fine)
	inOrder(t, "tags", tagsOf(t, c, arn), texts...)
	expect(t, put("more=1"), limitExceeded)
	expect(t, put("k00=0"), fine)
	inOrder(t, "tags", tagsOf(t, c, arn), texts...)
}

func TestTagsThatAreNotAccepted(t *testing.T) {
	t.Parallel()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT()
	group(t, c, "g", "")
	thing(t, c, "pump", "")
	arn := func(rest string) string { return "arn:aws:iot:us-east-1:000000000000:" + rest }
	for _, tt := range []struct {
		name, arn string
		tags      []types.Tag
		want      want
		text      string
	}{
		{"a reserved key", arn("thinggroup/g"), tagList("aws:x=1"), invalid, "aws:"},
		{"a reserved key in capitals", arn("thinggroup/g"), tagList("AWS:x=1"), invalid, "aws:"},
		{"a key twice", arn("thinggroup/g"), tagList("a=1", "a=2"), invalid, "twice"},
		{"an empty key", arn("thinggroup/g"), tagList("=1"), invalid, "tags"},
		{"a key too long", arn("thinggroup/g"), tagList(strings.Repeat("k", 129) + "=1"), invalid, "tags"},
		{"a value too long", arn("thinggroup/g"), tagList("k=" + strings.Repeat("v", 257)), invalid, "tags"},
		{"a key of other characters", arn("thinggroup/g"), tagList("a*b=1"), invalid, "tags"},
		{"no group", arn("thinggroup/h"), tagList("a=1"), notFound, "thinggroup/h"},
		{"a thing, which has no tags", arn("thing/pump"), tagList("a=1"), invalid, "resourceArn"},
		{"a kind in capitals", arn("ThingGroup/g"), tagList("a=1"), invalid, "ARN"},
		{"a name in another case", arn("thinggroup/G"), tagList("a=1"), notFound, ""},
		{"a name that is a pattern", arn("thinggroup/%"), tagList("a=1"), notFound, ""},
		{"a name alone", "g", tagList("a=1"), invalid, "ARN"},
		{"an ARN without a name", arn("thinggroup/"), tagList("a=1"), invalid, "ARN"},
		{"a very long ARN", arn("thinggroup/" + strings.Repeat("g", 3000)), tagList("a=1"), invalid, "ARN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.TagResource(t.Context(), &iot.TagResourceInput{ResourceArn: &tt.arn, Tags: tt.tags})
			expect(t, err, tt.want)
			saying(t, err, tt.text)
		})
	}
	if got := tagsOf(t, c, arn("thinggroup/g")); len(got) != 0 {
		t.Errorf("got %v after refusals, want none", got)
	}
	_, err := c.ListTagsForResource(t.Context(), &iot.ListTagsForResourceInput{
		ResourceArn: new(arn("thinggroup/g")), NextToken: new("of-my-own"),
	})
	expect(t, err, invalid)
}
