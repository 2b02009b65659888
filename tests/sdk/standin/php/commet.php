<?php

declare(strict_types=1);

// Stands in for the published library where it cannot be had: the same names, private properties and HTTP
// client, one call. A path with a slash in front makes Guzzle drop that of base_uri, as happens there.

namespace Commet {

    use Commet\Resources\CustomersResource;
    use GuzzleHttp\Client;

    class HttpClient
    {
        private Client $client;

        public function __construct(string $apiKey)
        {
            $this->client = new Client([
                'base_uri' => 'https://commet.co/api/v1',
                'headers' => ['x-api-key' => $apiKey, 'commet-version' => '2026-07-31'],
            ]);
        }

        public function post(string $endpoint, array $body): array
        {
            $response = $this->client->request('POST', $endpoint, ['json' => $body]);
            return json_decode($response->getBody()->getContents(), true, 512, JSON_THROW_ON_ERROR);
        }
    }

    class Commet
    {
        public readonly CustomersResource $customers;

        public function __construct(string $apiKey)
        {
            $this->customers = new CustomersResource(new HttpClient($apiKey));
        }
    }
}

namespace Commet\Resources {

    use Commet\HttpClient;

    class CustomersResource
    {
        public function __construct(private readonly HttpClient $http)
        {
        }

        public function create(string $email, ?string $id = null): array
        {
            return $this->http->post('/customers', ['email' => $email, 'id' => $id]);
        }
    }
}
