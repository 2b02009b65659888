// Package commet stands in for an early generation of the published library where it cannot be had: the same names,
// no option for the HTTP client, an answer in its envelope, one call.
package commet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

type Environment string

const (
	Sandbox    Environment = "sandbox"
	Production Environment = "production"
)

type CreateCustomerParams struct {
	Email string `json:"billingEmail"`
}

type Customer struct {
	ID string `json:"id"`
}

type ApiResponse[T any] struct {
	Success bool `json:"success"`
	Data    T    `json:"data"`
}

type Client struct {
	Customers *CustomersResource
}

type CustomersResource struct {
	key, base string
	http      *http.Client
}

type Option func(*CustomersResource)

func WithEnvironment(environment Environment) Option {
	return func(c *CustomersResource) {
		if environment == Production {
			c.base = "https://commet.co/api"
		}
	}
}

func New(key string, options ...Option) (*Client, error) {
	customers := &CustomersResource{key, "https://sandbox.commet.co/api", &http.Client{Timeout: 30 * time.Second}}
	for _, option := range options {
		option(customers)
	}
	return &Client{customers}, nil
}

func (c *CustomersResource) Create(ctx context.Context, params *CreateCustomerParams) (*ApiResponse[Customer], error) {
	body, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/customers", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("x-api-key", c.key)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	answer := &ApiResponse[Customer]{}
	return answer, json.NewDecoder(response.Body).Decode(answer)
}
