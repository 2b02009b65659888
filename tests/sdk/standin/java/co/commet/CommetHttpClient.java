package co.commet;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Keeps the base URL where the published library does. */
public class CommetHttpClient {
    private final String baseUrl;
    private final String key;

    CommetHttpClient(String key) {
        this.key = key;
        this.baseUrl = "https://commet.co" + "/api/v1";
    }

    public String post(String path, String body) {
        HttpRequest request = HttpRequest.newBuilder(URI.create(baseUrl + path)).header("x-api-key", key)
            .header("commet-version", "2026-07-11").POST(HttpRequest.BodyPublishers.ofString(body)).build();
        try {
            HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() != 201) {
                throw new IllegalStateException("status " + response.statusCode() + ": " + response.body());
            }
            return response.body();
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
