package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

func (j *journey) endpoints() {
	step(j, &iot.DescribeEndpointInput{EndpointType: new("iot:Data-ATS")}, &iot.DescribeEndpointOutput{
		EndpointAddress: new(j.EndpointName() + "-ats." + cordontest.EndpointDomain),
	})
}

func TestEndpointsOfAccountsAndRegions(t *testing.T) {
	t.Parallel()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	home, guest := c.IoT(), c.NewAccount(t, "222222222222")
	for _, tt := range []struct {
		name string
		c    *iot.Client
		kind *string
		want string // "" for a refusal
	}{
		{"without a type", home, nil, "a000000000000-us-east-1.iot.localhost"},
		{"of data", home, new("iot:Data"), "a000000000000-us-east-1.iot.localhost"},
		{"of data by ATS", home, new("iot:Data-ATS"), "a000000000000-us-east-1-ats.iot.localhost"},
		{"of another region", c.IoTIn("eu-west-1"), new("iot:Data-ATS"), "a000000000000-eu-west-1-ats.iot.localhost"},
		{"of another account", guest, new("iot:Data-ATS"), "a222222222222-us-east-1-ats.iot.localhost"},
		{"of a region whose name has no place in one", c.IoTIn("lab-ats"), nil, ""},
		{"of jobs", home, new("iot:Jobs"), ""},
		{"of credentials", home, new("iot:CredentialProvider"), ""},
		{"of no known type", home, new("iot:Nonsense"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := tt.c.DescribeEndpoint(t.Context(), &iot.DescribeEndpointInput{EndpointType: tt.kind})
			if tt.want == "" {
				expect(t, err, invalid)
				return
			}
			if err != nil || *out.EndpointAddress != tt.want {
				t.Errorf("got %v, %v, want %s", out, err, tt.want)
			}
		})
	}
}
