"""A PostgreSQL on TCP as on a host of its own: TLS with a private certification authority, SCRAM, nothing else let in."""

from urllib.parse import quote

from stack import Cluster, free_port

PASSWORD = "correct-horse-Battery-77"  # of clientele_serve


class Authority:
    """A private certification authority."""

    def __init__(self, place, name):
        self.place, self.dir = place, place.new("ca")
        self.certificate = self.dir / "root.crt"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                     "-subj", f"/CN={name}", "-keyout", "root.key", "-out", "root.crt")

    def openssl(self, *arguments):
        self.place.run("env", "-C", self.dir, "openssl", *arguments)

    def issue(self, host):
        """(certificate, key) of a server with this name."""
        (self.dir / "ext").write_text(f"subjectAltName=DNS:{host}\n")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={host}",
                     "-keyout", "server.key", "-out", "server.csr")
        self.openssl("x509", "-req", "-in", "server.csr", "-CA", "root.crt", "-CAkey", "root.key", "-CAcreateserial", "-days", "2",
                     "-extfile", "ext", "-out", "server.crt")
        return self.dir / "server.crt", self.dir / "server.key"


class TlsCluster(Cluster):
    """On TCP only clientele_serve gets in, by TLS and SCRAM; the unix socket is as in every Cluster, for the test itself."""

    def __init__(self, place):
        self.port = free_port()
        self.authority = Authority(place, "ours")
        certificate, key = self.authority.issue("localhost")
        super().__init__(place, start=False, conf=(
            f"listen_addresses = 'localhost'\nport = {self.port}\nssl = on\nssl_cert_file = '{certificate}'\n"
            f"ssl_key_file = '{key}'\npassword_encryption = 'scram-sha-256'\n"))
        (self.data / "pg_hba.conf").write_text("local all all trust\nhostssl all clientele_serve localhost scram-sha-256\n")
        # psql and all others find it under the usual number.
        (self.sockets / ".s.PGSQL.5432").symlink_to(f".s.PGSQL.{self.port}")
        self.start()

    def database(self, name, **more):
        database = super().database(name, **more)
        self.psql("-c", f"ALTER ROLE clientele_serve PASSWORD '{PASSWORD}'")
        return database

    def tls_url(self, database, host="localhost", password=PASSWORD, mode="verify-full", authority=None, **more):
        """The serving role's way in; more are options of libpq."""
        options = {"sslmode": mode, "sslrootcert": (authority or self.authority).certificate, **more}
        secret = f":{quote(password)}" if password else ""
        return (f"postgresql://clientele_serve{secret}@{host}:{self.port}/{database.name}?"
                + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in options.items()))
