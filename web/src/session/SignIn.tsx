import { Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useState, type FormEvent } from "react";
import type { Session } from "../api/types";
import { Problem } from "../ui/parts";
import { isVouchedFor, signIn, signInByProxy, wantsCode } from "./session";

/** Asks for address and password, and for a code once the service wants one. before: the session that has ended. */
export function SignInForm({ before }: { before?: Session }) {
  const known = before?.user.email;
  const [email, setEmail] = useState(known ?? "");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const enter = useMutation({ mutationFn: () => signIn(email, password, code || undefined, before) });
  const failed = enter.error;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    enter.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label="E-mail address"
          type="email"
          autoComplete="username"
          required
          data-autofocus={known ? undefined : true}
          autoFocus={!known}
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          required
          data-autofocus={known ? true : undefined}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        {(code !== "" || wantsCode(failed)) && (
          <TextInput
            label="Code"
            description="Of your authenticator, or one of your recovery codes."
            autoComplete="one-time-code"
            required
            autoFocus
            value={code}
            onChange={(event) => setCode(event.currentTarget.value.trim())}
          />
        )}
        {failed && !wantsCode(failed) && <Problem error={failed} />}
        <Button type="submit" loading={enter.isPending}>
          Sign in
        </Button>
      </Stack>
    </form>
  );
}

export function SignInPage() {
  const byProxy = useMutation({ mutationFn: signInByProxy });
  const { mutate } = byProxy;
  const vouched = isVouchedFor();
  useEffect(() => {
    document.title = "Sign in · Clientele";
    if (!vouched) mutate(); // most services stand behind no such proxy and refuse it, of which nobody needs to know
  }, [vouched, mutate]);
  return (
    <main className="center">
      <h1>Clientele</h1>
      {vouched ? (
        <Stack>
          <Text>You have signed out. The sign-in before this service still knows you.</Text>
          {byProxy.error && <Problem error={byProxy.error} />}
          <Button loading={byProxy.isPending} onClick={() => mutate()}>
            Sign in again
          </Button>
        </Stack>
      ) : (
        <SignInForm />
      )}
      {!vouched && (
        <Text size="sm" c="dimmed" mt="lg">
          No account yet? An owner of your organization invites you; the first one is made on the server with{" "}
          <code>clientele user create</code>.
        </Text>
      )}
    </main>
  );
}
