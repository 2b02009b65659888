import { Alert, Button, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { api, data } from "../api/client";
import { queries } from "../api/query";
import { codeOf } from "../session/Code";
import { SESSION, useSession } from "../session/session";
import { Confirm } from "../ui/Confirm";
import { Copy, faultOf, Head, Moment, Problem, Waiting } from "../ui/parts";
import { Qr } from "../ui/Qr";
import { Rows } from "../ui/Rows";

/* The client puts the session's token here. */
const CSRF = { "X-CSRF-Token": "" };

function Sessions() {
  const page = useQuery({ queryKey: ["sessions"], queryFn: ({ signal }) => data(api.GET("/sessions", { signal })) });
  return (
    <section className="section" aria-labelledby="sessions">
      <h2 id="sessions">Your sessions</h2>
      {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
      {page.isLoading && <Waiting />}
      {page.data && (
        <Rows
          caption="Sessions, newest first"
          rows={page.data.data}
          columns={[
            { key: "where", title: "Acts in", show: (row) => `${row.organization.name}, ${row.livemode ? "live" : "sandbox"}` },
            { key: "begun", title: "Signed in", show: (row) => <Moment at={row.createdAt} />, wide: true },
            { key: "used", title: "Last used", show: (row) => <Moment at={row.lastUsedAt} /> },
            {
              key: "end",
              title: "Actions",
              show: (row) =>
                row.current ? (
                  "this one"
                ) : (
                  <Confirm
                    button="End"
                    label="End this session"
                    title="End this session?"
                    act={async () => {
                      await data(api.DELETE("/sessions/{id}", { params: { path: { id: row.id }, header: CSRF } }));
                      await queries.invalidateQueries({ queryKey: ["sessions"] });
                    }}
                  >
                    Whoever uses it has to sign in again.
                  </Confirm>
                ),
            },
          ]}
        />
      )}
    </section>
  );
}

/* As authenticators read it. */
const address = (email: string, secret: string) => `otpauth://totp/Clientele:${encodeURIComponent(email)}?secret=${secret}&issuer=Clientele`;

/** A secret for the authenticator, then a code of it, then the recovery codes. */
function SecondFactor() {
  const { user } = useSession();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const again = () => queries.invalidateQueries({ queryKey: SESSION });
  const begin = useMutation({
    mutationFn: () => data(api.POST("/session/factor", { params: { header: CSRF }, body: { password } })),
    onSuccess: () => setPassword(""),
  });
  const confirm = useMutation({ mutationFn: () => data(api.POST("/session/factor/confirm", { params: { header: CSRF }, body: { code } })) });
  const remove = useMutation({
    mutationFn: () => data(api.POST("/session/factor/remove", { params: { header: CSRF }, body: { password } })),
    onSuccess: () => {
      setPassword("");
      return again();
    },
  });
  const first = user.secondFactor ? remove : begin;
  const submit = (run: { mutate: () => void }) => (event: FormEvent) => {
    event.preventDefault();
    run.mutate();
  };
  const done = () => {
    setCode("");
    begin.reset();
    confirm.reset();
    void again();
  };
  return (
    <section className="section" aria-labelledby="factor">
      <h2 id="factor">Second factor</h2>
      {confirm.data ? (
        <Stack maw={460}>
          <Alert color="yellow" title="Your recovery codes: they are shown this once." />
          <Text size="sm">Each lets you in once, when your authenticator is not at hand.</Text>
          <Group align="start">
            <pre className="json">{confirm.data.recoveryCodes.join("\n")}</pre>
            <Copy text={confirm.data.recoveryCodes.join("\n")} what="the codes" />
          </Group>
          <Button onClick={done}>I have them</Button>
        </Stack>
      ) : begin.data ? (
        <form onSubmit={submit(confirm)}>
          <Stack maw={460}>
            <Text size="sm">
              Scan this with your authenticator, or give it the secret below, or <a href={address(user.email, begin.data.secret)}>open it there</a>; then
              type the code that it shows.
            </Text>
            <Qr text={address(user.email, begin.data.secret)} label="The secret below, for a camera" />
            <Group>
              <code>{begin.data.secret}</code>
              <Copy text={begin.data.secret} what="the secret" />
            </Group>
            <TextInput label="Code" autoComplete="one-time-code" inputMode="numeric" required autoFocus value={code} error={faultOf(confirm.error, "code")} onChange={(event) => setCode(codeOf(event.currentTarget.value))} />
            {confirm.error && !faultOf(confirm.error, "code") && <Problem error={confirm.error} />}
            <Button type="submit" loading={confirm.isPending}>
              Turn it on
            </Button>
          </Stack>
        </form>
      ) : (
        <form onSubmit={submit(first)}>
          <Stack maw={460}>
            <Text size="sm">
              {user.secondFactor
                ? "It is on: signing in needs a code of your authenticator."
                : "It is off. With it, signing in needs a code of an authenticator besides your password."}
            </Text>
            <PasswordInput label="Your password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
            {first.error && <Problem error={first.error} />}
            <Button type="submit" variant={user.secondFactor ? "default" : "filled"} loading={first.isPending}>
              {user.secondFactor ? "Turn it off" : "Set it up"}
            </Button>
          </Stack>
        </form>
      )}
    </section>
  );
}

export function AccountPage() {
  return (
    <>
      <Head title="Your account" />
      <SecondFactor />
      <Sessions />
    </>
  );
}
