// Package discover stands in for hashicorp/go-discover, which finds servers to join through the interfaces of clouds. A
// local agent joins nobody, and the clouds' clients are half of the time that a build of Consul takes.
package discover

import (
	"fmt"
	"log"
)

// Provider looks up addresses in one cloud.
type Provider interface {
	Addrs(args map[string]string, l *log.Logger) ([]string, error)
	Help() string
}

// Providers contains the available providers: none.
var Providers = map[string]Provider{}

// Discover looks up addresses with the providers it has: none.
type Discover struct{}

// Option changes a Discover.
type Option func(*Discover) error

// New returns a Discover.
func New(...Option) (*Discover, error) { return &Discover{}, nil }

// WithUserAgent changes nothing.
func WithUserAgent(string) Option { return nil }

// WithProviders changes nothing.
func WithProviders(map[string]Provider) Option { return nil }

// Names returns the names of the providers: none.
func (*Discover) Names() []string { return nil }

// Addrs always fails.
func (*Discover) Addrs(cfg string, _ *log.Logger) ([]string, error) {
	return nil, fmt.Errorf("discover: this Consul was built without providers: %s", cfg)
}
