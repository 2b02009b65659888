package co.commet;

import co.commet.resources.CustomersResource;

/** Stands in for the published library where it cannot be had: the same names and private fields, one call. */
public class Commet implements AutoCloseable {
    private final CommetHttpClient httpClient;

    private Commet(String key) {
        httpClient = new CommetHttpClient(key);
    }

    public CustomersResource customers() {
        return new CustomersResource(httpClient);
    }

    @Override
    public void close() {}

    public static Builder builder() {
        return new Builder();
    }

    public static class Builder {
        private String key;

        public Builder apiKey(String key) {
            this.key = key;
            return this;
        }

        public Commet build() {
            return new Commet(key);
        }
    }
}
