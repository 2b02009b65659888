/*
 * A link that works once: an invitation, one for a new password, or one that signs in. Its secret stands behind the "#",
 * which no server sees, and leaves the address at once.
 */
import { Alert, Button, PasswordInput, Stack, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState, type FormEvent } from "react";
import { answer, api, data, setCsrfToken } from "../api/client";
import type { Link } from "../api/types";
import { faultOf, Problem, Waiting } from "../ui/parts";
import { CodeField, useCode } from "./Code";
import { begin, moveTo, signIn, wantsCode } from "./session";

const secret = () => location.hash.slice(1);
const opened = secret();
/* There is no session whose token it could be. */
const CSRF = { params: { header: { "X-CSRF-Token": "1" } } };

const WORDS: Record<Link["purpose"], { title: string; button: string }> = {
  invite: { title: "Welcome", button: "Accept the invitation" },
  reset: { title: "A new password", button: "Set the password" },
  sign_in: { title: "Welcome", button: "Sign in" },
};

function Use({ token, link }: { token: string; link: Link }) {
  const [password, setPassword] = useState("");
  const { askedFor, ...asked } = useCode();
  const [accepted, setAccepted] = useState(false);
  const navigate = useNavigate();
  const asksPassword = link.purpose !== "sign_in";
  const run = useMutation({
    mutationFn: async () => {
      setCsrfToken("1");
      const code = asked.code ?? "";
      if (!asksPassword) return void begin((await answer(api.POST("/session/enter", { ...CSRF, body: { token, ...(code && { code }) } }))).data);
      // It is good once; signing in may fail after it, for want of a code for one.
      if (!accepted) await answer(api.POST("/session/accept", { ...CSRF, body: { token, password } }));
      setAccepted(true);
      const session = await signIn(link.email, password, code);
      if (session.organization.id !== link.organization.id) await moveTo({ organizationId: link.organization.id, livemode: true });
    },
    onSuccess: () => navigate({ to: "/customers" }),
    onError: askedFor,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    run.mutate();
  };
  const fault = faultOf(run.error, "password");
  return (
    <form onSubmit={submit}>
      <Stack>
        <Text size="sm">
          You come in as <strong>{link.email}</strong>, into <strong>{link.organization.name}</strong>.
        </Text>
        {asksPassword && (
          <PasswordInput
            label={link.newPassword ? "New password" : "Password of your account"}
            description={link.newPassword ? "At least 10 characters." : undefined}
            autoComplete={link.newPassword ? "new-password" : "current-password"}
            required
            autoFocus
            value={password}
            error={fault}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
        )}
        <CodeField {...asked} />
        {run.error && !fault && !wantsCode(run.error) && <Problem error={run.error} />}
        <Button type="submit" loading={run.isPending}>
          {WORDS[link.purpose].button}
        </Button>
      </Stack>
    </form>
  );
}

/* Another link that is pasted into this window changes nothing of its address but the secret: the page is not loaded anew. */
function useToken(): string {
  const [token, setToken] = useState(opened);
  useEffect(() => {
    const hide = () => history.replaceState(history.state, "", location.pathname);
    const take = () => {
      if (secret() === "") return;
      setToken(secret());
      hide();
    };
    hide();
    addEventListener("hashchange", take);
    return () => removeEventListener("hashchange", take);
  }, []);
  return token;
}

export function AcceptPage() {
  const token = useToken();
  const link = useQuery({
    queryKey: ["link", token],
    enabled: token !== "",
    retry: false,
    staleTime: Infinity,
    queryFn: () => data(api.POST("/session/link", { ...CSRF, body: { token } })),
  });
  const title = link.data ? WORDS[link.data.purpose].title : "A link";
  useEffect(() => {
    document.title = `${title} · Clientele`;
  }, [title]);
  return (
    <main className="center">
      <h1>{title}</h1>
      {token === "" && (
        <Alert color="yellow" title="This link is not complete.">
          Open it once more from where you got it, or ask for a new one.
        </Alert>
      )}
      {link.error && <Problem error={link.error} />}
      {link.isLoading && <Waiting />}
      {link.data && <Use key={token} token={token} link={link.data} />}
    </main>
  );
}
