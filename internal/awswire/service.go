package awswire

import (
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Service is the operations of one AWS service on an endpoint.
type Service struct {
	SigningName string   // the service in the credential scope, such as "iot"
	Aliases     []string // other names that clients sign for it
	Operations  []Served // what is answered
	Known       []Fact   // all operations of the interface; those not served are refused by name

	Protocol  Protocol // "" is RESTJSON
	Version   string   // of the interface, as a form of the query protocol names it
	Namespace string   // of the XML of the query protocol
	Target    string   // what stands before the operation in X-Amz-Target of the JSON protocol

	// Actions is the prefix of the names of its permissions; "" is SigningName.
	Actions string
	// Access says what each operation needs by its name. One that is not named
	// needs the action of its own name on every resource.
	Access map[string]Access
	// Exceptions are how faults are answered by their code. A code that is not
	// named is answered as the protocol has it.
	Exceptions map[fault.Code]Exception
}

// Protocol is one of the AWS protocols.
type Protocol string

// The protocols.
const (
	RESTJSON Protocol = "rest-json" // method, path and JSON
	Query    Protocol = "query"     // a form in, XML out
	JSON     Protocol = "json"      // JSON 1.1, the operation in a header
)

// service is a service with its operations where they are found.
type service struct {
	Service
	*dialect
	paths   router            // of REST-JSON
	names   map[string]*route // of the other protocols
	maxBody int64             // the most that any of its operations takes
}

func newService(from Service) (*service, error) {
	if from.Protocol == "" {
		from.Protocol = RESTJSON
	}
	s := &service{Service: from, dialect: dialects[from.Protocol], names: map[string]*route{}, maxBody: MaxBody}
	if s.dialect == nil {
		return nil, fmt.Errorf("protocol %q is not served", s.Protocol)
	}
	served, err := s.served()
	if err != nil {
		return nil, err
	}
	access, err := accesses(from)
	if err != nil {
		return nil, err
	}
	for _, fact := range s.Known {
		r := &route{fact: fact, served: served[fact.Name], access: access[fact.Name]}
		s.names[fact.Name] = r
		if s.Protocol == RESTJSON {
			if err := s.paths.add(r); err != nil {
				return nil, err
			}
		}
		delete(served, fact.Name)
	}
	for name := range served {
		return nil, fmt.Errorf("operation %s is not in its interface facts", name)
	}
	return s, nil
}

// served returns the operations that are answered by their names.
func (s *service) served() (map[string]*Served, error) {
	list := map[string]*Served{}
	for _, op := range s.Operations {
		if list[op.fact.Name] != nil {
			return nil, fmt.Errorf("operation %s is served twice", op.fact.Name)
		}
		if op.form != (s.Protocol == Query) {
			return nil, fmt.Errorf("operation %s is of another protocol than %s", op.fact.Name, s.Protocol)
		}
		if op.unsigned && s.Protocol != Query {
			return nil, fmt.Errorf("operation %s cannot be found without a signature", op.fact.Name)
		}
		if err := op.checkRefused(); err != nil {
			return nil, err
		}
		list[op.fact.Name] = &op
		s.maxBody = max(s.maxBody, op.maxBody)
	}
	return list, nil
}
