package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
)

// OutgoingNetworks returns the networks of OutgoingAllow. An address is the
// network of itself.
func (c *Config) OutgoingNetworks() []netip.Prefix {
	list, _ := c.outgoingNetworks() // was checked
	return list
}

// OutgoingProxyURL returns the proxy, or nil without one.
func (c *Config) OutgoingProxyURL() *url.URL {
	u, _ := c.outgoingProxy() // was checked
	return u
}

func (c *Config) outgoingNetworks() (list []netip.Prefix, err error) {
	for _, text := range c.OutgoingAllow {
		p, prefixErr := netip.ParsePrefix(text)
		if ip, ipErr := netip.ParseAddr(text); ipErr == nil && ip.Zone() == "" {
			p, prefixErr = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		switch {
		case prefixErr != nil:
			err = errors.Join(err, fmt.Errorf("outgoing-allow: %q is no network: try 10.1.0.0/16 or fd00:1::/32", text))
		case p.Addr().Is4In6():
			err = errors.Join(err, fmt.Errorf("outgoing-allow: %q must be written in the form of IPv4", text))
		case p != p.Masked():
			err = errors.Join(err, fmt.Errorf("outgoing-allow: %q has bits beyond its mask: write %s", text, p.Masked()))
		default:
			list = append(list, p)
		}
	}
	return list, err
}

// outgoingProxy shows nothing of a URL that it cannot parse: any part of it may
// be a password.
func (c *Config) outgoingProxy() (*url.URL, error) {
	if c.OutgoingProxy.Empty() {
		return nil, nil
	}
	u, err := url.Parse(c.OutgoingProxy.Reveal())
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("outgoing-proxy: is not the URL of a proxy: try http://proxy.example:3128")
	}
	return u, nil
}

func (c *Config) validateOutgoing() error {
	_, networks := c.outgoingNetworks()
	_, proxy := c.outgoingProxy()
	return errors.Join(networks, proxy)
}
