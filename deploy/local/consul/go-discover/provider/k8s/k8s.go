// Package k8s stands in for go-discover's provider of the same name.
package k8s

import (
	"errors"
	"log"
)

// Provider finds nothing.
type Provider struct{}

// Addrs always fails.
func (*Provider) Addrs(map[string]string, *log.Logger) ([]string, error) {
	return nil, errors.New("discover: this Consul was built without Kubernetes")
}

// Help says that there is none.
func (*Provider) Help() string { return "Kubernetes: not built in" }
