import { Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useState, type FormEvent } from "react";
import { ApiError } from "../api/client";
import type { Session } from "../api/types";
import { Problem } from "../ui/parts";
import { CodeField, useCode } from "./Code";
import { hasLeft, isVouchedFor, signIn, signInByProxy, wantsCode } from "./session";

/** Asks for address and password, and for a code once the service wants one. before: the session that has ended. */
function SignInForm({ before }: { before?: Session }) {
  const known = before?.user.email;
  const [email, setEmail] = useState(known ?? "");
  const [password, setPassword] = useState("");
  const { askedFor, ...asked } = useCode();
  const enter = useMutation({ mutationFn: () => signIn(email, password, asked.code || undefined, before), onError: askedFor });
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
          onChange={(event) => {
            setEmail(event.currentTarget.value);
            asked.set(null); // another account may have no second factor
          }}
        />
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          required
          data-autofocus={known ? true : undefined}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <CodeField {...asked} />
        {failed && !wantsCode(failed) && <Problem error={failed} />}
        <Button type="submit" loading={enter.isPending}>
          Sign in
        </Button>
      </Stack>
    </form>
  );
}

/** Tries the proxy before the service, at once if it is to; and whether it may vouch for who sits here. */
function useProxy(atOnce: boolean, before?: Session) {
  const run = useMutation({ mutationFn: () => signInByProxy(before) });
  const { mutate } = run;
  useEffect(() => {
    if (atOnce) mutate();
  }, [atOnce, mutate]);
  return { run, vouches: isVouchedFor() && !(run.error instanceof ApiError && !run.error.isAway) };
}

function ByProxy({ run, text }: { run: ReturnType<typeof useProxy>["run"]; text?: string }) {
  return (
    <Stack>
      {text && <Text>{text}</Text>}
      {run.error && <Problem error={run.error} />}
      <Button loading={run.isPending} onClick={() => run.mutate()}>
        Sign in again
      </Button>
    </Stack>
  );
}

/** In the place of a session that has ended. */
export function SignInAgain({ before }: { before: Session }) {
  const { run, vouches } = useProxy(isVouchedFor(), before);
  return vouches ? <ByProxy run={run} /> : <SignInForm before={before} />;
}

export function SignInPage() {
  const left = hasLeft();
  // Most services stand behind no such proxy and refuse it, of which nobody needs to know.
  const { run, vouches } = useProxy(!left);
  const asks = left && vouches;
  useEffect(() => {
    document.title = "Sign in · Clientele";
  }, []);
  return (
    <main className="center">
      <h1>Clientele</h1>
      {asks ? <ByProxy run={run} text="You have signed out. The sign-in before this service still knows you." /> : <SignInForm />}
      {!asks && (
        <Text size="sm" c="dimmed" mt="lg">
          No account yet? An owner of your organization invites you; the first one is made on the server with{" "}
          <code>clientele user create</code>.
        </Text>
      )}
    </main>
  );
}
