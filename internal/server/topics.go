package server

import (
	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/guard"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/snsapi"
)

// topics is the API of topics: none where all messages go to another SNS, which
// then has them.
func (s *Server) topics(client *guard.Client, pages awswire.Pages) []awswire.Service {
	if s.cfg.SNSEndpoint != "" {
		return nil
	}
	return []awswire.Service{snsapi.New(snsapi.Config{
		Topics: &notify.Service{Store: s.store, Targets: client, Now: s.now}, Store: s.store, Pages: pages,
		Note: s.deliveryNote,
	})}
}

// deliveryNote says why nothing is delivered by a protocol, or "".
func (s *Server) deliveryNote(p notify.Protocol) string {
	if p == notify.Email && s.cfg.SMTPRelay == "" {
		return "no relay of mail is set (smtp-relay): nothing is sent"
	}
	return ""
}
