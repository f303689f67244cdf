package main

import (
	"context"
	"errors"

	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// consents returns the parts of the Consent API.
func consents(s *config.Settings, store *redisstore.Store) proxy.Consents {
	c := proxy.Consents{Store: consentStore{store}, Profile: s.ConsentProfile(store.Key), Check: s.Catalogue.CheckWrite, Senders: s.KnownSenders}
	for _, category := range s.File.Consents.Recorders {
		c.Recorders = append(c.Recorders, policy.ProviderCategory(category))
	}
	return c
}

// consentStore adapts the store to the gate.
type consentStore struct{ *redisstore.Store }

// History implements proxy.ConsentStore.
func (s consentStore) History(ctx context.Context, key consent.PersonKey) ([]consent.Standing, error) {
	versions, err := s.Store.History(ctx, key)
	standings := make([]consent.Standing, len(versions))
	for i, v := range versions {
		standings[i] = v.Standing
	}
	return standings, err
}

// Owner implements proxy.ConsentStore.
func (s consentStore) Owner(ctx context.Context, id consent.RecordID) (consent.PersonKey, error) {
	key, err := s.Lookup(ctx, string(id))
	if errors.Is(err, redisstore.ErrNotFound) {
		return "", nil
	}
	return key, err
}
