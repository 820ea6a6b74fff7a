package pki

import (
	"encoding/asn1"
	"strings"
)

// commonName is the type of a name's part that is called CN (X.520).
var commonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// maxBrokerName is the longest name that brokers may call a holder by, in bytes:
// four times what X.520 allows, and what a database takes into an index.
const maxBrokerName = 256

// BrokerName is what RabbitMQ and EMQX call the holder of the certificate: the
// common names of its subject, with commas between them where there are several.
// It is "" where brokers might write them differently or nobody is meant: for
// names that are no printable UTF-8, are longer than 256 bytes, or are one of
// those that registries put into every certificate.
func (c *Certificate) BrokerName() string {
	var all []string
	for _, part := range c.parsed.Subject.Names {
		if !part.Type.Equal(commonName) {
			continue
		}
		text, ok := part.Value.(string)
		if !ok || text != printable(text) {
			return ""
		}
		all = append(all, text)
	}
	name := strings.Join(all, ",")
	if len(name) > maxBrokerName || name == DeviceCommonName || name == awsCommonName {
		return ""
	}
	return name
}

// awsCommonName is the common name of certificates that AWS IoT makes.
const awsCommonName = "AWS IoT Certificate"
