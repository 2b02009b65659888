package co.commet.resources;

import co.commet.CommetHttpClient;
import co.commet.params.CreateCustomerParams;

public class CustomersResource {
    private final CommetHttpClient http;

    public CustomersResource(CommetHttpClient http) {
        this.http = http;
    }

    public String create(CreateCustomerParams params) {
        return http.post("/customers", "{\"email\":\"" + params.getEmail() + "\"}");
    }
}
