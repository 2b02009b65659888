package co.commet.params;

public final class CreateCustomerParams {
    private final String email;

    private CreateCustomerParams(String email) {
        this.email = email;
    }

    public String getEmail() {
        return email;
    }

    public static Builder builder(String email) {
        return new Builder(email);
    }

    public static final class Builder {
        private final String email;

        private Builder(String email) {
            this.email = email;
        }

        public CreateCustomerParams build() {
            return new CreateCustomerParams(email);
        }
    }
}
