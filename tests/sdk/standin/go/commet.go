// Package commet stands in for the published library where it cannot be had: the same names, the same HTTP
// client, one call.
package commet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

type CreateCustomerParams struct {
	Email string `json:"email"`
	ID    string `json:"id,omitempty"`
}

type Customer struct {
	ID string `json:"id"`
}

type Client struct {
	Customers *CustomersResource
}

type CustomersResource struct {
	key  string
	http *http.Client
}

type Option func(*CustomersResource)

func WithHTTPClient(client *http.Client) Option {
	return func(c *CustomersResource) { c.http = client }
}

func New(key string, options ...Option) (*Client, error) {
	customers := &CustomersResource{key, &http.Client{}}
	for _, option := range options {
		option(customers)
	}
	return &Client{customers}, nil
}

func (c *CustomersResource) Create(ctx context.Context, params *CreateCustomerParams) (*Customer, error) {
	body, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://commet.co/api/v1/customers", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("x-api-key", c.key)
	request.Header.Set("commet-version", "2026-07-31")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	customer := &Customer{}
	return customer, json.NewDecoder(response.Body).Decode(customer)
}
