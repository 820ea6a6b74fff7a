package awswire

import (
	"fmt"
	"net/url"
	"strings"
)

// router finds an operation by method and path segments. Segments are compared
// as they were received, never cleaned and never redirected: ".", ".." and
// names with an escaped slash are legal names of resources.
type router struct {
	root node
}

// node is the segments that may follow one path prefix.
type node struct {
	literal map[string]*node
	label   *node
	routes  map[string]*route // by method, of paths that end here
}

// route is one operation of a service. Served is nil for one that is known by
// the interface facts only.
type route struct {
	fact   Fact
	labels []string
	served *Served
	access Access
}

// add registers an operation.
func (rt *router) add(r *route) error {
	n := &rt.root
	for segment := range strings.SplitSeq(strings.TrimPrefix(r.fact.Path, "/"), "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			r.labels = append(r.labels, strings.TrimSuffix(name, "}"))
			if n.label == nil {
				n.label = &node{}
			}
			n = n.label
			continue
		}
		if n.literal == nil {
			n.literal = map[string]*node{}
		}
		if n.literal[segment] == nil {
			n.literal[segment] = &node{}
		}
		n = n.literal[segment]
	}
	if other := n.routes[r.fact.Method]; other != nil {
		return fmt.Errorf("operations %s and %s have one route", other.fact.Name, r.fact.Name)
	}
	if n.routes == nil {
		n.routes = map[string]*route{}
	}
	n.routes[r.fact.Method] = r
	return nil
}

// find returns the route of a call, and its labels decoded; nil when there is
// none.
func (rt *router) find(method, escapedPath string) (*route, map[string]string) {
	path, ok := strings.CutPrefix(escapedPath, "/")
	if !ok {
		return nil, nil
	}
	r, values := rt.root.find(method, path, nil)
	if r == nil {
		return nil, nil
	}
	labels := make(map[string]string, len(values))
	for i, name := range r.labels {
		labels[name] = values[i]
	}
	return r, labels
}

// find prefers a literal segment, but falls back to a label when the method
// has no route below the literal.
func (n *node) find(method, path string, values []string) (*route, []string) {
	segment, rest, more := strings.Cut(path, "/")
	for _, next := range []*node{n.literal[segment], n.label} {
		if next == nil {
			continue
		}
		got := values
		if next == n.label {
			value, err := url.PathUnescape(segment)
			if err != nil || value == "" {
				continue
			}
			got = append(values[:len(values):len(values)], value)
		}
		if !more {
			if r := next.routes[method]; r != nil {
				return r, got
			}
			continue
		}
		if r, got := next.find(method, rest, got); r != nil {
			return r, got
		}
	}
	return nil, nil
}
