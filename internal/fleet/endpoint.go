package fleet

import (
	"regexp"
	"strings"
)

const (
	// endpointATS ends the name of the endpoint that DescribeEndpoint gives for
	// iot:Data-ATS. It means the same as the one without.
	endpointATS = "-ats"
	// maxLabel is the longest part of a host name between two dots. Source: RFC
	// 1035, section 2.3.4.
	maxLabel = 63
	// maxEndpointRegion leaves room for "a", twelve digits, "-" and "-ats".
	maxEndpointRegion = maxLabel - len("a000000000000-"+endpointATS)
)

// endpointLabel is the form of an endpoint's name: the account, and the region
// as a part of a host name may be written.
var endpointLabel = regexp.MustCompile(`^a([0-9]{12})-([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)$`)

// EndpointName is the first label of the host name at which devices of this
// scope connect, such as "a123456789012-us-east-1", in lower case. It is "" for
// a region whose name has no place there: one that is longer than 45 characters,
// is not made of lower-case letters, digits and hyphens inside it, or is "ats" or
// ends in "-ats". No two scopes have the same.
func (s Scope) EndpointName() string {
	label := "a" + s.Account + "-" + s.Region
	if len(s.Region) > maxEndpointRegion || strings.HasSuffix(label, endpointATS) || !endpointLabel.MatchString(label) {
		return ""
	}
	return label
}

// EndpointNameATS is EndpointName in the form of iot:Data-ATS.
func (s Scope) EndpointNameATS() string {
	name := s.EndpointName()
	if name == "" {
		return ""
	}
	return name + endpointATS
}

// ParseEndpointName returns the scope that the name of a TLS server stands for,
// in either form and in any case, where domain is what stands behind the first
// label. That the scope exists is for the caller to find out.
func ParseEndpointName(domain, serverName string) (Scope, bool) {
	label, rest, ok := strings.Cut(strings.ToLower(strings.TrimSuffix(serverName, ".")), ".")
	if !ok || rest != strings.ToLower(domain) {
		return Scope{}, false
	}
	label = strings.TrimSuffix(label, endpointATS)
	parts := endpointLabel.FindStringSubmatch(label)
	if parts == nil {
		return Scope{}, false
	}
	s := Scope{Account: parts[1], Region: parts[2]}
	return s, s.EndpointName() == label
}
