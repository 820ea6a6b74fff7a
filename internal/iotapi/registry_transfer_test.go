package iotapi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

var (
	transferConflict  = want{"TransferConflictException", 409}
	transferCompleted = want{"TransferAlreadyCompletedException", 410}
)

const buyer = "222222222222"

func offer(t testing.TB, c *iot.Client, id, account string) error {
	t.Helper()
	_, err := c.TransferCertificate(t.Context(), &iot.TransferCertificateInput{
		CertificateId: &id, TargetAwsAccount: new(account), TransferMessage: new("yours now"),
	})
	return err
}

func accept(t testing.TB, c *iot.Client, id string, active bool) error {
	t.Helper()
	_, err := c.AcceptCertificateTransfer(t.Context(), &iot.AcceptCertificateTransferInput{
		CertificateId: &id, SetAsActive: active,
	})
	return err
}

func reject(t testing.TB, c *iot.Client, id string) error {
	t.Helper()
	_, err := c.RejectCertificateTransfer(t.Context(), &iot.RejectCertificateTransferInput{
		CertificateId: &id, RejectReason: new("not ours"),
	})
	return err
}

func withdraw(t testing.TB, c *iot.Client, id string) error {
	t.Helper()
	_, err := c.CancelCertificateTransfer(t.Context(), &iot.CancelCertificateTransferInput{CertificateId: &id})
	return err
}

// certificatesOf are all certificates of an account with their status, from
// pages of two.
func certificatesOf(t testing.TB, c *iot.Client, ascending bool) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) (list []string, next *string, err error) {
		out, err := c.ListCertificates(ctx, &iot.ListCertificatesInput{
			PageSize: new(int32(2)), Marker: token, AscendingOrder: ascending,
		})
		if err != nil {
			return nil, nil, err
		}
		for _, cert := range out.Certificates {
			list = append(list, *cert.CertificateId+" "+string(cert.Status))
		}
		return list, out.NextMarker, nil
	})
}

func outgoing(t testing.TB, c *iot.Client) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) (list []string, next *string, err error) {
		out, err := c.ListOutgoingCertificates(ctx, &iot.ListOutgoingCertificatesInput{
			PageSize: new(int32(1)), Marker: token, AscendingOrder: true,
		})
		if err != nil {
			return nil, nil, err
		}
		for _, cert := range out.OutgoingCertificates {
			list = append(list, *cert.CertificateId+" "+*cert.TransferredTo)
		}
		return list, out.NextMarker, nil
	})
}

func TestACertificateIsHandedToAnotherAccount(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		seller, taker := cordon.IoT(), cordon.NewAccount(t, buyer)
		first := registerPEM(t, seller, issue(t, in(100)), types.CertificateStatusInactive)
		second := registerPEM(t, seller, issue(t, in(100)), types.CertificateStatusInactive)
		kept := registerPEM(t, taker, issue(t, in(100)), types.CertificateStatusActive)
		expect(t, offer(t, seller, first, buyer), fine)
		expect(t, offer(t, seller, second, buyer), fine)
		inOrder(t, "outgoing", outgoing(t, seller), first+" "+buyer, second+" "+buyer)

		for name, c := range map[string]*iot.Client{"seller": seller, "taker": taker} {
			d := describe(t, c, first)
			if d.Status != types.CertificateStatusPendingTransfer || *d.OwnedBy != cordontest.Account ||
				*d.TransferData.TransferMessage != "yours now" || d.TransferData.TransferDate == nil {
				t.Errorf("the %s sees %s of %s with %+v, want the offer", name, d.Status, *d.OwnedBy, d.TransferData)
			}
		}
		pending := []string{kept + " ACTIVE", first + " PENDING_TRANSFER", second + " PENDING_TRANSFER"}
		inOrder(t, "certificates before", certificatesOf(t, taker, true), pending...)
		slices.Reverse(pending)
		inOrder(t, "the newest first", certificatesOf(t, taker, false), pending...)

		expect(t, accept(t, taker, first, true), fine)
		d := describe(t, taker, first)
		if d.Status != types.CertificateStatusActive || *d.OwnedBy != buyer || *d.PreviousOwnedBy != cordontest.Account ||
			d.TransferData.AcceptDate == nil || *d.CertificatePem == "" {
			t.Errorf("got %+v, want it active and the taker's", d)
		}
		_, err := seller.DescribeCertificate(t.Context(), &iot.DescribeCertificateInput{CertificateId: &first})
		expect(t, err, notFound)
		for _, again := range []error{accept(t, taker, first, false), reject(t, taker, first), withdraw(t, seller, first)} {
			expect(t, again, transferCompleted)
		}

		expect(t, reject(t, taker, second), fine)
		if d := describe(t, seller, second); d.Status != types.CertificateStatusInactive ||
			*d.TransferData.RejectReason != "not ours" || d.TransferData.RejectDate == nil {
			t.Errorf("got %s with %+v, want it back with the reason", d.Status, d.TransferData)
		}
		expect(t, withdraw(t, seller, second), transferCompleted)
		expect(t, offer(t, seller, second, buyer), fine)
		expect(t, withdraw(t, seller, second), fine)
		expect(t, accept(t, taker, second, true), transferCompleted)
		inOrder(t, "outgoing after", outgoing(t, seller))
		inOrder(t, "certificates after", certificatesOf(t, taker, true), kept+" ACTIVE", first+" ACTIVE")
		inOrder(t, "the seller's", certificatesOf(t, seller, true), second+" INACTIVE")
	})
}

func TestTransferRefuses(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		other := cordon.NewAccount(t, buyer)
		inactive := func() string {
			return registerPEM(t, c, issue(t, in(100)), types.CertificateStatusInactive)
		}
		id, withPolicy, withThing := inactive(), inactive(), inactive()
		policy(t, c, "p", narrowPolicy)
		_, err := c.AttachPolicy(ctx, &iot.AttachPolicyInput{PolicyName: new("p"), Target: new(certARN(withPolicy))})
		expect(t, err, fine)
		thing(t, c, "t", certARN(withThing))
		active := register(t, c, in(100))
		revoked := inactive()
		setStatus(t, c, revoked, types.CertificateStatusRevoked)
		moving := inactive()
		expect(t, offer(t, c, moving, buyer), fine)
		for _, tt := range []struct {
			name string
			err  error
			want want
		}{
			{"an active one", offer(t, c, active, buyer), certificateState},
			{"a revoked one", offer(t, c, revoked, buyer), certificateState},
			{"one with a policy", offer(t, c, withPolicy, buyer), transferConflict},
			{"one with a thing", offer(t, c, withThing, buyer), transferConflict},
			{"one that is offered already", offer(t, c, moving, "333333333333"), certificateState},
			{"to the own account", offer(t, c, id, cordontest.Account), invalid},
			{"one of another account", offer(t, other, id, "333333333333"), notFound},
			{"an unknown one", offer(t, c, fmt.Sprintf("%064d", 7), buyer), notFound},
			{"to accept what nobody offers", accept(t, other, id, true), notFound},
			{"to accept what one offers oneself", accept(t, c, moving, true), notFound},
			{"to reject what nobody offers", reject(t, other, id), notFound},
			{"to cancel what is not offered", withdraw(t, c, id), invalid},
			{"to cancel what another account offers", withdraw(t, other, moving), notFound},
		} {
			t.Run(tt.name, func(t *testing.T) { expect(t, tt.err, tt.want) })
		}
		_, err = c.AttachPolicy(ctx, &iot.AttachPolicyInput{PolicyName: new("p"), Target: new(certARN(moving))})
		expect(t, err, invalid)
		_, err = c.AttachThingPrincipal(ctx, &iot.AttachThingPrincipalInput{
			ThingName: new("t"), Principal: new(certARN(moving)),
		})
		expect(t, err, invalid)
		_, err = c.DeleteCertificate(ctx, &iot.DeleteCertificateInput{CertificateId: &moving, ForceDelete: true})
		expect(t, err, certificateState)
		_, err = c.UpdateCertificate(ctx, &iot.UpdateCertificateInput{CertificateId: &moving, NewStatus: "ACTIVE"})
		expect(t, err, certificateState)
	})
}

func TestAnAccountTakesNoCertificateTwice(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, other := cordon.IoT(), cordon.NewAccount(t, buyer)
		pem := issue(t, in(100))
		id := registerPEM(t, c, pem, types.CertificateStatusInactive)
		registerPEM(t, other, pem, types.CertificateStatusActive)
		expect(t, offer(t, c, id, buyer), fine) // the answer does not say what the other account has
		err := accept(t, other, id, true)
		expect(t, err, invalid)
		saying(t, err, "registered in this account already")
		if got := status(t, c, id); got != types.CertificateStatusPendingTransfer {
			t.Errorf("got %s after a failed acceptance, want it pending still", got)
		}
		expect(t, reject(t, other, id), fine)
	})
}

func TestOneEndOfATransferWins(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, other := cordon.IoT(), cordon.NewAccount(t, buyer)
		for range 5 {
			id := registerPEM(t, c, issue(t, in(100)), types.CertificateStatusInactive)
			expect(t, offer(t, c, id, buyer), fine)
			ends := []func() error{
				func() error { return accept(t, other, id, true) },
				func() error { return reject(t, other, id) },
				func() error { return withdraw(t, c, id) },
				func() error { return accept(t, other, id, false) },
			}
			errs := make([]error, len(ends))
			var wait sync.WaitGroup
			for i, end := range ends {
				wait.Go(func() { errs[i] = end() })
			}
			wait.Wait()
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
				} else {
					expect(t, err, transferCompleted)
				}
			}
			_, there := other.DescribeCertificate(t.Context(), &iot.DescribeCertificateInput{CertificateId: &id})
			_, here := c.DescribeCertificate(t.Context(), &iot.DescribeCertificateInput{CertificateId: &id})
			accepted := errs[0] == nil || errs[3] == nil
			if won != 1 || (there == nil) != accepted || (here == nil) == accepted {
				t.Errorf("got %d winners of %v, there %v, here %v, want one and the certificate where it says",
					won, errors.Join(errs...), there, here)
			}
		}
	})
}
